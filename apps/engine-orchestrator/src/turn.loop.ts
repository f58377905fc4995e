import type { Engine, RunOutcome } from '@nightshift/contracts';
import { type Hints, workChannel } from '@nightshift/run-stream';
import type { InternalClient } from '@nightshift/http';
import { type Held, patiently, Worker, type WorkObserver } from '@nightshift/postgres';
import type { Database } from '@nightshift/postgres';
import { type Logger, metrics, traceIdOf, withSpan } from '@nightshift/runtime';
import { backoffMs, jitterMs, newId } from '@nightshift/std';
import type { Target } from './catalogue.ts';
import { callEvents, startedEvent, turnEvents } from './engine-events.ts';
import type { FrameLoop } from './frame.loop.ts';
import { limitedTo } from './limits.ts';
import { askListings } from './mcp-listings.client.ts';
import { mcpToolsOf } from './mcp-offers.ts';
import { ModelError } from './model-error.ts';
import { promptOf } from './prompt.ts';
import { RunFeed } from './run-feed.loop.ts';
import { checkDelayMs, contextOf, type JournalEntry, type Session, type TurnEntry } from './session.ts';
import { SESSIONS } from './session.sql.ts';
import type { ClaimedSession, SessionStore } from './session.store.ts';
import { failure, missingCommands, next, type TurnEnd } from './turn.ts';
import { turnContext, turnSpan } from './turn.span.ts';
import type { Place } from './upstream.gate.ts';
import type { Limited, Upstreams } from './upstreams.client.ts';

/** What the loop works with. */
export interface TurnLoopOptions {
  readonly db: Database;
  readonly sessions: SessionStore;
  readonly upstreams: Upstreams;
  /** The client of tool-executor, which knows MCP servers. */
  readonly tools: InternalClient;
  readonly hints: Hints;
  readonly frames: FrameLoop;
  readonly pool: string;
  readonly slots: number;
  readonly leaseMs: number;
  readonly observer: WorkObserver;
  readonly log: Logger;
}

const ATTEMPTS_MAX = 5;
const UPSTREAM_TRIES_MAX = 10;
/** What asks to be left alone for less is a failure like any other, or it could be asked twice a second for as long as the run lasts. */
const RETRY_AFTER_MS_MIN = 1000;
const UPSTREAM_BACKOFF = { firstMs: 500, maxMs: 30_000 };
const LISTING_TRIES_MAX = 6;
const STOP_CHANNEL = 'nightshift.stop';

/** Makes turns: prompt → model → decide → commit, under a lease, as many as there are slots. */
export class TurnLoop {
  readonly #options: TurnLoopOptions;
  readonly #worker: Worker<ClaimedSession>;
  readonly #channel: string;

  constructor(options: TurnLoopOptions) {
    this.#options = options;
    this.#channel = workChannel('turn', options.pool);
    this.#worker = new Worker<ClaimedSession>({
      db: options.db,
      table: SESSIONS,
      pool: options.pool,
      slots: options.slots,
      laneMax: options.slots,
      leaseMs: options.leaseMs,
      evenly: true,
      observer: options.observer,
      run: (session, held) => this.#run(session, held),
      announce: () => options.hints.send(this.#channel, ''),
    });
  }

  start(): void {
    this.#options.hints.listen(this.#channel, () => this.#worker.wake());
    this.#options.hints.listen(STOP_CHANNEL, (runId) => this.#worker.abort(runId, 'stopped'));
    this.#worker.startLoop();
  }

  /** Runs a statement that makes sessions due, letting it claim as many as there are free slots; the rest is hinted at. */
  begin<Row extends ClaimedSession & { claimed: boolean }>(wanted: number, write: (granted: number) => Promise<Row[]>): Promise<Row[]> {
    return this.#worker.begin(wanted, write);
  }

  /** Aborts the turn of a session that was stopped, wherever it runs. */
  stop(runId: string): void {
    this.#worker.abort(runId, 'stopped');
    this.#options.hints.send(STOP_CHANNEL, runId);
  }

  refuse(): void {
    this.#worker.refuse();
  }

  drain(hurry: AbortSignal): Promise<void> {
    return this.#worker.drain(hurry);
  }

  async #run(claimed: ClaimedSession, held: Held): Promise<void> {
    const place = this.#options.upstreams.placeOf(claimed.runId);
    try {
      const startedAt = claimed.startedAt ?? (await patiently(() => this.#options.sessions.started(startedEvent(claimed)), held));
      if (claimed.pending > 0) await this.#askAgain(claimed, held);
      else await this.#turns({ ...claimed, startedAt }, place, held);
    } finally {
      place?.leave('unknown', 0);
    }
  }

  async #turns(claimed: ClaimedSession, kept: Place | undefined, held: Held): Promise<void> {
    if (await this.#isLeftToOthers(claimed, held)) return;
    let place = kept;
    let session = claimed;
    const opening = session.step === 0 ? await this.#opening(session, held) : undefined;
    if (opening === 'put back') return;
    let journal = opening ?? session.journal ?? (await patiently(() => this.#options.sessions.journal(session.runId), held));
    const feed = await this.#feedOf(session, journal, held);
    try {
      for (;;) {
        const end = await this.#turn(session, journal, { place, held, feed });
        if (!end) return;
        place = undefined;
        const onward = end.outcome ? 'done' : end.commands.length > 0 ? 'tools' : 'turn';
        const events = turnEvents({ ...session, traceparent: turnContext(session, end.entry) }, end, new Date());
        const frames = await feed.settle(end);
        if (!frames) return;
        const listings = session.step === 0 ? opening?.find((entry) => entry.kind === 'listings') : undefined;
        const committed = await patiently(() => this.#options.sessions.commit({ session, end, next: onward, events, listings, frames }), held);
        if (!committed) return;
        feed.committed(frames);
        session = { ...session, step: session.step + 1, usage: end.usage, upstreamFailures: 0 };
        journal = [...journal, end.entry, ...end.results];
        if (onward === 'tools') this.#options.sessions.remember(session, journal);
        if (onward !== 'turn') return;
      }
    } finally {
      feed.close();
    }
  }

  /** Catalogues are changed in one process after the other: whoever makes the next try may know an engine that this one does not. */
  async #isLeftToOthers(session: ClaimedSession, held: Held): Promise<boolean> {
    const upstreamFailures = session.upstreamFailures + 1;
    if (this.#options.upstreams.engine(session.engine) || upstreamFailures >= UPSTREAM_TRIES_MAX) return false;
    this.#options.log.warn({ ...idsOf(session), engine: session.engine, errorCode: 'engine_error' }, 'the engine is not in the catalogue of this process: the turn is left to others for now');
    await patiently(() => this.#options.sessions.putBack({ session, upstreamFailures, checkCount: session.checkCount, delayMs: backoffMs(UPSTREAM_BACKOFF, upstreamFailures), events: [] }), held);
    return true;
  }

  #feedOf(session: ClaimedSession, journal: readonly JournalEntry[], held: Held): Promise<RunFeed> {
    const { frames, upstreams, observer } = this.#options;
    const lost = (err?: unknown): void => {
      if (err === undefined) observer.leaseLost(session.runId);
      else if (!held.signal.aborted) observer.trouble(err);
      this.#worker.abort(session.runId, 'its frames are written by somebody else');
    };
    return RunFeed.open(session, journal, { frames, engine: upstreams.engine(session.engine), held, lost });
  }

  /** The journal before the first turn: empty, but for what the run's MCP servers offer. Whatever goes wrong with them, the run goes on. */
  async #opening(session: ClaimedSession, held: Held): Promise<readonly JournalEntry[] | 'put back'> {
    const servers = mcpToolsOf(session.request.tools);
    if (servers.length === 0) return [];
    const answer = await askListings(this.#options.tools, session, servers).catch((err: unknown) => {
      this.#options.log.error({ ...idsOf(session), err }, 'MCP servers could not be asked');
      return 'away' as const;
    });
    const checkCount = session.checkCount + 1;
    if (answer === 'away' && checkCount < LISTING_TRIES_MAX) {
      await this.#putBack(session, { upstreamFailures: session.upstreamFailures, checkCount, delayMs: backoffMs(UPSTREAM_BACKOFF, checkCount) }, held);
      return 'put back';
    }
    const listings = answer === 'away' ? servers.map(() => ({ offers: [], error: 'The service that calls tools could not be reached.' })) : answer;
    return [{ kind: 'listings', step: 0, listings }];
  }

  /** One model turn, or undefined when the session was put back or is no longer ours. */
  async #turn(session: ClaimedSession, journal: readonly JournalEntry[], { place, held, feed }: { place: Place | undefined; held: Held; feed: RunFeed }): Promise<TurnEnd | undefined> {
    const { upstreams } = this.#options;
    const listed = upstreams.engine(session.engine);
    if (session.attempts > ATTEMPTS_MAX) return giveUp(session, failure('worker_lost', `The run was given up after ${ATTEMPTS_MAX} workers were lost while making the same turn.`));
    if (!listed) return giveUp(session, failure('engine_error', `The engine "${session.engine}" is not in the catalogue.`, { tries: UPSTREAM_TRIES_MAX }));
    const engine = limitedTo(listed, session.request.limits);
    const startedAt = performance.now();
    const note = (outcome: string, facts: object): void => {
      const durationMs = Math.round(performance.now() - startedAt);
      metrics.turnDuration.observe({ outcome, pool: session.pool }, durationMs / 1000, session.traceparent);
      this.#options.log.info({ ...idsOf(session), step: session.step, attempt: session.attempts, durationMs, queueAgeMs: Math.round(session.queueAgeMs), status: outcome, ...facts }, 'turn');
    };
    try {
      const promptFor = remembering((target: Target) => promptOf(session, journal, target, engine));
      const { tokens: contextTokens, prunedTokens, isTooLarge } = promptFor(upstreams.targets(engine)[0]!);
      if (isTooLarge) return giveUp(session, failure('context_exceeded', `The instructions and tools are about ${contextTokens} tokens, more than the engine takes (${engine.limits.contextTokens}).`));
      const heard = feed.turn(journal);
      const reply = await withSpan('turn', turnSpan(session, journal, { hasWaited: place !== undefined, contextTokens, prunedTokens }), (traceparent) =>
        upstreams.complete(engine, { place, tokens: contextTokens, signal: held.signal, traceparent, heard }, (target) => promptFor(target).request),
      );
      if ('waitMs' in reply) {
        note('limited', { waitMs: Math.round(reply.waitMs) });
        return await this.#waitFor(engine, session, contextTokens, reply, held);
      }
      const decided = next(session, journal, reply, engine, reply.toolCalls.map((_, index) => heard.callIds[index] ?? newId('call')));
      const end = { ...decided, entry: { ...decided.entry, context: { tokens: contextTokens, pruned: prunedTokens } } };
      if (end.outcome) this.#noteEnd(session, contextOf([...journal, end.entry]));
      note(end.outcome?.status ?? 'tool_calls', { contextTokens, prunedTokens, inputTokens: reply.usage.inputTokens, outputTokens: reply.usage.outputTokens, toolCalls: end.entry.calls.length });
      return end;
    } catch (err) {
      if (held.signal.aborted) return void note('aborted', { errorCode: 'aborted' });
      if (!(err instanceof ModelError)) throw err;
      note('upstream_error', { errorCode: err.code, upstreamStatus: err.status });
      return this.#afterModelError(session, err, held);
    }
  }

  /** No upstream has a place for the turn: it waits without a slot, and goes on when one of them has. */
  async #waitFor(engine: Engine, session: ClaimedSession, tokens: number, { waitMs }: Limited, held: Held): Promise<undefined> {
    const { sessions, upstreams } = this.#options;
    const { runId, orgId } = session;
    const enter = async (): Promise<void> => {
      const resumed = await this.#worker.take(() => sessions.resume(runId)).catch((err: unknown) => this.#options.observer.trouble(err));
      if (!resumed) upstreams.placeOf(runId)?.leave('unknown', 0);
    };
    const isPutBack = await patiently(() => sessions.putBack({ session, upstreamFailures: session.upstreamFailures, checkCount: session.checkCount, delayMs: jitterMs(waitMs), events: [] }), held);
    if (isPutBack) upstreams.wait(engine, { runId, orgId, tokens, enter: () => void enter() });
  }

  #noteEnd(session: Session, context: ReturnType<typeof contextOf>): void {
    metrics.contextPeak.observe({ engine: session.engine }, context.peakContextTokens);
    metrics.contextPruned.observe({ engine: session.engine }, context.prunedTokens);
    this.#options.log.info({ ...idsOf(session), turns: session.step + 1, ...context }, 'last turn');
  }

  async #afterModelError(session: ClaimedSession, err: ModelError, held: Held): Promise<TurnEnd | undefined> {
    // Who is told when to come back is early, not wrong: that lasts as long as the run may.
    const isEarly = err.kind === 'rate_limited' && (err.retryAfterMs ?? 0) >= RETRY_AFTER_MS_MIN;
    const upstreamFailures = session.upstreamFailures + (isEarly ? 0 : 1);
    if (!err.isRetryable || upstreamFailures >= UPSTREAM_TRIES_MAX) return giveUp(session, failure(err.code, err.message, { upstreamStatus: err.status, tries: upstreamFailures }));
    metrics.retries.inc({ work: 'turn', pool: session.pool });
    const delayMs = Math.max(err.retryAfterMs ?? 0, backoffMs(UPSTREAM_BACKOFF, Math.max(1, upstreamFailures)));
    await this.#putBack(session, { upstreamFailures, checkCount: session.checkCount, delayMs }, held);
    return undefined;
  }

  async #putBack(session: ClaimedSession, later: { upstreamFailures: number; checkCount: number; delayMs: number }, held: Held): Promise<void> {
    await patiently(() => this.#options.sessions.putBack({ session, ...later, events: [] }), held);
    setTimeout(() => this.#worker.wake(), later.delayMs + 5).unref();
  }

  /** Tool results are overdue: their calls are commanded again, under the same ids. */
  async #askAgain(session: ClaimedSession, held: Held): Promise<void> {
    const journal = await patiently(() => this.#options.sessions.journal(session.runId), held);
    const commands = missingCommands(session, journal);
    this.#options.log.warn({ ...idsOf(session), step: session.step, calls: commands.length, checkCount: session.checkCount }, 'tool results are overdue; asking again');
    const checkCount = session.checkCount + 1;
    await patiently(() => this.#options.sessions.putBack({ session, upstreamFailures: session.upstreamFailures, checkCount, delayMs: checkDelayMs(checkCount), events: callEvents(session, session.step - 1, commands) }), held);
  }
}

/** The same function, which computes each result once. */
function remembering<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}

function giveUp(session: Session, outcome: RunOutcome): TurnEnd {
  const nothing = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };
  const entry: TurnEntry = { kind: 'turn', step: session.step, content: '', calls: [], usage: nothing, costMicroUsd: 0 };
  return { entry, results: [], commands: [], usage: session.usage, outcome };
}

function idsOf(session: Session): { runId: string; orgId: string; traceId: string | undefined } {
  return { runId: session.runId, orgId: session.orgId, traceId: session.traceparent === undefined ? undefined : traceIdOf(session.traceparent) };
}
