import { errorTypeOf, metrics, startSpan, type StartedSpan } from '@nightshift/runtime';
import type { Verdict } from './breaker.ts';
import type { Target } from './catalogue.ts';
import type { ChatUpstream } from './chat.client.ts';
import { whyNobody } from './chat-error.ts';
import { canceled, ModelError } from './model-error.ts';
import { modelSpan } from './model.span.ts';
import type { NoPlace, Place, Waiter } from './upstream.gate.ts';
import type { Upstreams } from './upstreams.client.ts';

/** Who asks, and what it takes. */
export interface ChatAsking {
  readonly orgId: string;
  /** Tokens of the request, estimated. */
  readonly tokens: number;
  readonly signal: AbortSignal;
  readonly traceparent: string;
}

/** A reply that has begun. It holds a place at its upstream until it is over. */
export interface Begun<Reply> {
  readonly reply: Reply;
  /** Says once how it ended: with so many tokens, or with an error. */
  over(tokens: number | undefined, err?: unknown): void;
}

type Begin<Reply> = (chat: ChatUpstream, target: Target, traceparent: string) => Promise<Reply>;

/** How long a call waits for a place before it is told to come back later. */
const WAIT_MS = 10_000;

/** Asks upstreams until one begins to answer, through the gates that turns go through too. */
export class ChatAttempts {
  readonly #upstreams: Upstreams;
  readonly #waitMs: number;

  constructor(upstreams: Upstreams, waitMs: number = WAIT_MS) {
    this.#upstreams = upstreams;
    this.#waitMs = waitMs;
  }

  /**
   * Asks the targets in their order. Where there is no place at any of them the call waits for one, organisations in turn, for
   * up to 10 s. Rejects with a `ModelError`: that of the first upstream which refused the request for good or may do better later.
   */
  async ask<Reply>(targets: readonly Target[], asking: ChatAsking, begin: Begin<Reply>): Promise<Begun<Reply>> {
    const failures: ModelError[] = [];
    const refusals: NoPlace[] = [];
    const begun = await this.#round(targets, asking, begin, failures, refusals);
    if (begun) return begun;
    if (failures.length > 0 || !this.#isWorthWaiting(refusals)) throw whyNobody(failures, refusals);
    const place = await this.#wait(targets, asking);
    if (!place) throw whyNobody(failures, refusals);
    const begins = ({ upstream }: Target): boolean => upstream === place.upstream;
    const later = await this.#round([...targets.filter(begins), ...targets.filter((target) => !begins(target))], asking, begin, failures, refusals, place);
    if (later) return later;
    throw whyNobody(failures, refusals);
  }

  async #round<Reply>(targets: readonly Target[], asking: ChatAsking, begin: Begin<Reply>, failures: ModelError[], refusals: NoPlace[], kept?: Place): Promise<Begun<Reply> | undefined> {
    let held = kept;
    for (const target of targets) {
      const place = held ?? this.#upstreams.reach(target.upstream).gate.enter(asking.tokens);
      held = undefined;
      if ('reason' in place) {
        refusals.push(place);
        continue;
      }
      try {
        return await this.#attempt(target, place, asking, begin, failures.length + 1);
      } catch (err) {
        if (!(err instanceof ModelError) || err.kind === 'aborted') throw err;
        failures.push(err);
        if (!err.mayFallBack && failures.length === 1) return undefined;
      }
    }
    return undefined;
  }

  async #attempt<Reply>({ upstream, ...target }: Target, place: Place, { traceparent: parent, tokens }: ChatAsking, begin: Begin<Reply>, number: number): Promise<Begun<Reply>> {
    const span = startSpan(...modelSpan({ upstream, settings: this.#upstreams.settings(upstream), model: target.model, number, parent }));
    const over = (used: number | undefined, err?: unknown): void => {
      place.leave(verdictOf(err), used);
      note(span, upstream, err);
    };
    try {
      return { reply: await begin(this.#upstreams.reach(upstream).chat, { upstream, ...target }, span.traceparent), over };
    } catch (err) {
      // A request that was refused took nothing of what is allowed in a minute, but for its own count.
      over(err instanceof ModelError && err.kind === 'aborted' ? tokens : undefined, err);
      throw err;
    }
  }

  #isWorthWaiting(refusals: readonly NoPlace[]): boolean {
    return refusals.some(({ reason, waitMs }) => reason === 'limited' && waitMs <= this.#waitMs);
  }

  /** A place at one of the targets, or undefined when the time is up. */
  #wait(targets: readonly Target[], { orgId, tokens, signal }: ChatAsking): Promise<Place | undefined> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        waiter.isWaiting = false;
      };
      const onAbort = (): void => {
        end();
        reject(canceled());
      };
      const waiter: Waiter = {
        lane: orgId,
        tokens,
        isWaiting: true,
        enter: (place) => {
          end();
          resolve(place);
        },
      };
      const timer = setTimeout(() => {
        end();
        resolve(undefined);
      }, this.#waitMs);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      for (const { upstream } of targets) if (waiter.isWaiting) this.#upstreams.reach(upstream).gate.wait(waiter);
    });
  }
}

function verdictOf(err: unknown): Verdict {
  if (err === undefined) return 'well';
  if (!(err instanceof ModelError)) return 'unknown';
  return err.isFault ? 'failed' : err.kind === 'rejected' ? 'well' : 'unknown';
}

function note(span: StartedSpan, upstream: string, err: unknown): void {
  if (!(err instanceof ModelError)) {
    if (err === undefined) metrics.upstreamAttempts.inc({ upstream, outcome: 'answered' });
    return span.end(err === undefined ? undefined : errorTypeOf(err));
  }
  metrics.upstreamAttempts.inc({ upstream, outcome: err.code });
  if (err.status !== null) span.set({ 'http.response.status_code': err.status });
  span.end(err.code);
}
