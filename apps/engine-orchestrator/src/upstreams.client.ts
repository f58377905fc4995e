import { type Engine, findEngine, type PlainModel, plainModelOf } from '@nightshift/contracts';
import { metrics, withSpan } from '@nightshift/runtime';
import { must } from '@nightshift/std';
import { createAnthropicClient } from './anthropic.client.ts';
import type { Verdict } from './breaker.ts';
import { type Catalogue, type Target, targetsOf, type UpstreamSettings } from './catalogue.ts';
import { type ChatUpstream, createChatClient } from './chat.client.ts';
import { ModelError } from './model-error.ts';
import { createModelClient, type ModelClient } from './model.client.ts';
import { modelSpan, replyAttributes } from './model.span.ts';
import type { ModelDelta, ModelReply, ModelRequest } from './model.ts';
import { createTranslatedChat } from './translated-chat.client.ts';
import { Gate, type NoPlace, type Place, type Waiter } from './upstream.gate.ts';
import { settled } from './usage.tokenizer.ts';

/** Who asks, and what it takes. */
export interface Asking {
  /** The place that was kept for it, if it has waited for one. */
  readonly place: Place | undefined;
  /** Tokens of the request, estimated. */
  readonly tokens: number;
  readonly signal: AbortSignal;
  readonly traceparent: string;
  /** Hears the reply as it comes, and when another try begins. */
  readonly heard?: { take(delta: ModelDelta): void; restart(): void };
}

/** A turn that no upstream has a place for now. */
export interface Limited {
  /** How long it may take until there is one; a guess. */
  readonly waitMs: number;
}

/** A turn that wants to be told when there is a place for it. */
export interface Waiting {
  readonly runId: string;
  readonly orgId: string;
  readonly tokens: number;
  /** There is a place, and it is kept for this run: somebody has to call for it with `placeOf`. */
  readonly enter: () => void;
}

/** One upstream with its clients: `client` for turns, `chat` for plain calls. */
export interface Reached {
  readonly client: ModelClient;
  readonly chat: ChatUpstream;
  readonly gate: Gate;
}

const WAIT_MS_MIN = 1000;
const WAIT_MS_MAX = 60_000;
/** Each turn that waits looks by itself now and then; the more there are, the less often. */
const WAIT_MS_EACH = 20;

/** The model servers of the catalogue. */
export class Upstreams {
  readonly #catalogue: Catalogue;
  readonly #upstreams: ReadonlyMap<string, Reached>;
  readonly #targets: ReadonlyMap<string, readonly Target[]>;
  readonly #waiters = new Map<string, Waiter>();
  readonly #places = new Map<string, Place>();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#upstreams = new Map(Object.entries(catalogue.upstreams).map(([name, settings]) => [name, { ...clientsOf(settings), gate: new Gate(name, settings) }]));
    this.#targets = new Map(catalogue.engines.map((engine) => [engine.id, targetsOf(catalogue, engine)]));
  }

  /** The engine for the id a client sent. */
  engine(name: string): Engine | undefined {
    return findEngine(this.#catalogue.engines, name);
  }

  /** What a plain call of `name` asks, or undefined where it is none. */
  plain(name: string): PlainModel | undefined {
    return plainModelOf(this.#catalogue.engines, undefined, name);
  }

  /** An upstream by its name in the catalogue. */
  reach(name: string): Reached {
    return must(this.#upstreams.get(name), name);
  }

  /** How an upstream is set up. */
  settings(name: string): UpstreamSettings | undefined {
    return this.#catalogue.upstreams[name];
  }

  /** What an engine asks, in order of preference; at least one. */
  targets(engine: Engine): readonly Target[] {
    return must(this.#targets.get(engine.id), engine.id);
  }

  /**
   * Asks the engine's upstreams in their order until one answers, passing over those that are closed or full. Rejects with
   * the `ModelError` of the first that is worth another try, else with that of the last; its wait is the shortest of all.
   */
  async complete(engine: Engine, asking: Asking, requestFor: (target: Target) => ModelRequest): Promise<ModelReply | Limited> {
    const failures: ModelError[] = [];
    const refusals: NoPlace[] = [];
    let kept = asking.place;
    for (const target of this.targets(engine)) {
      const place = kept?.upstream === target.upstream ? kept : this.#gate(target.upstream).enter(asking.tokens);
      if ('reason' in place) {
        refusals.push(place);
        continue;
      }
      if (place !== kept) kept?.leave('unknown', 0);
      kept = undefined;
      try {
        const request = requestFor(target);
        return await settled(request, await this.#attempt(target, place, asking, request, failures.length + 1));
      } catch (err) {
        // Where the request could not even be made.
        place.leave('unknown', 0);
        if (!(err instanceof ModelError) || err.kind === 'aborted') throw err;
        failures.push(err);
        if (!err.mayFallBack && failures.length === 1) break;
      }
    }
    return this.#nobody(engine, failures, refusals);
  }

  /** Queues a turn for the next place that an upstream of its engine has; organisations take turns. One that is queued already keeps its position. */
  wait(engine: Engine, { orgId, tokens, runId, enter }: Waiting): void {
    // A place may have come for it while its turn found itself behind others: then it is called already.
    if (this.#waiters.has(runId) || this.#places.has(runId)) return;
    const waiter: Waiter = {
      lane: orgId,
      tokens,
      isWaiting: true,
      enter: (place) => {
        this.#waiters.delete(runId);
        this.#places.set(runId, place);
        enter();
      },
    };
    this.#waiters.set(runId, waiter);
    for (const { upstream } of this.targets(engine)) if (waiter.isWaiting) this.#gate(upstream).wait(waiter);
  }

  /** The place that is kept for a run, handed over. Whoever has it leaves it. */
  placeOf(runId: string): Place | undefined {
    const place = this.#places.get(runId);
    this.#places.delete(runId);
    return place;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map(({ client, chat, gate }) => (gate.close(), Promise.all([client.close(), chat.close()]))));
  }

  #gate(name: string): Gate {
    return this.reach(name).gate;
  }

  async #attempt({ upstream, model }: Target, place: Place, { traceparent: parent, signal, heard }: Asking, request: ModelRequest, number: number): Promise<ModelReply> {
    const { client } = this.reach(upstream);
    const startedAt = performance.now();
    let isSilent = true;
    const hear = (delta: ModelDelta): void => {
      if (isSilent) metrics.upstreamFirstToken.observe({ upstream }, (performance.now() - startedAt) / 1000, parent);
      isSilent = false;
      heard?.take(delta);
    };
    let verdict: Verdict = 'unknown';
    let used: number | undefined;
    try {
      const reply = await withSpan(...modelSpan({ upstream, settings: this.settings(upstream), model, number, parent }), async (traceparent, span) => {
        try {
          if (number > 1) heard?.restart();
          const answer = await client.complete(request, { signal, traceparent, onDelta: hear });
          span.set(replyAttributes(answer));
          return answer;
        } catch (err) {
          if (err instanceof ModelError && err.status !== null) span.set({ 'http.response.status_code': err.status });
          throw err;
        }
      });
      verdict = 'well';
      used = reply.usage.inputTokens + reply.usage.outputTokens;
      metrics.upstreamAttempts.inc({ upstream, outcome: 'answered' });
      return reply;
    } catch (err) {
      if (err instanceof ModelError) {
        verdict = err.isFault ? 'failed' : err.kind === 'rejected' ? 'well' : 'unknown';
        metrics.upstreamAttempts.inc({ upstream, outcome: err.code });
      }
      throw err;
    } finally {
      place.leave(verdict, used);
    }
  }

  #nobody(engine: Engine, failures: readonly ModelError[], refusals: readonly NoPlace[]): Limited {
    const [first] = failures;
    const retryable = failures.find((failure) => failure.isRetryable);
    // One whose quota is used up is final only where no other could have been asked.
    if (first && !retryable && !(first.mayFallBack && refusals.length > 0)) throw first;
    const waitMs = Math.min(...refusals.map((refusal) => refusal.waitMs), ...failures.map((failure) => failure.retryAfterMs ?? 0));
    if (retryable) throw retryable.after(waitMs);
    if (first) throw new ModelError('unavailable', { code: first.code, message: first.message, status: first.status, retryAfterMs: waitMs, cause: first });
    if (refusals.every(({ reason }) => reason === 'open')) {
      const message = 'The model server has failed too often and is left alone for now.';
      throw new ModelError('unavailable', { code: 'upstream_unavailable', message, retryAfterMs: waitMs });
    }
    const limitedMs = Math.min(...refusals.flatMap((refusal) => (refusal.reason === 'limited' ? [refusal.waitMs] : [])));
    const waiting = Math.max(...this.targets(engine).map(({ upstream }) => this.#gate(upstream).waiting));
    return { waitMs: Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, limitedMs, waiting * WAIT_MS_EACH)) };
  }
}

function clientsOf({ kind, baseUrl, apiKey, apiKeyName, concurrency, idleTimeoutMs, firstByteTimeoutMs }: UpstreamSettings): Pick<Reached, 'client' | 'chat'> {
  const options = { baseUrl, ...(apiKey !== undefined && { apiKey }), apiKeyName, idleTimeoutMs, firstByteTimeoutMs, connections: concurrency };
  if (kind === 'openai') return { client: createModelClient(options), chat: createChatClient(options) };
  const client = createAnthropicClient(options);
  return { client, chat: createTranslatedChat(client) };
}
