import type { ToolResult, UsageRecorded, OutgoingEvent } from '@nightshift/contracts';
import { type Claimed, type Database, flusher, newestEndings, outboxJson, type Relay } from '@nightshift/postgres';
import { must } from '@nightshift/std';
import { usageOf } from './engine-events.ts';
import { type Chunk, columnsOf, lastOf } from './frame.store.ts';
import { KnownSessions } from './known-sessions.store.ts';
import { checkDelayMs, type JournalEntry, journaled, type ListingsEntry, newSession, type ResultEntry, type Session, type SessionEnd, type TurnEntry } from './session.ts';
import { COMMIT, EMIT, ENDED, ENDS, FORGET, INSERT, JOURNAL, LOAD, PUT_BACK, RESULTS, RESUME, STARTED, STOP, USAGE_SINCE } from './session.sql.ts';
import type { TurnEnd } from './turn.ts';

/** A session as a claim returns it; `claimed`: by the statement that made it due, so that nobody has had it since its last commit; `journal`: where it need not be read. */
export type ClaimedSession = Session & Claimed & { readonly claimed?: boolean; readonly journal?: readonly JournalEntry[] };

/** A session to insert; `claim`: this process begins its first turn at once. */
export type NewSession = Pick<Session, 'runId' | 'orgId' | 'apiKeyId' | 'pool' | 'engine' | 'request' | 'traceparent'> & { readonly claim: boolean };

/** A tool's result for a session; `claim`: this process makes the next turn if it was the last one awaited. */
export interface ArrivedResult {
  readonly runId: string;
  readonly step: number;
  readonly callId: string;
  readonly result: ToolResult;
  readonly traceparent?: string | undefined;
  readonly claim: boolean;
}

/** What is known of a session that was stopped. */
export type StoppedSession = Pick<Session, 'runId' | 'orgId' | 'pool' | 'step' | 'usage' | 'calls' | 'pending' | 'traceparent' | 'outcome' | 'startedAt' | 'frameSeq' | 'frameTail'>;

interface Ending {
  readonly session: ClaimedSession;
  readonly end: TurnEnd;
  readonly next: 'turn' | 'tools' | 'done';
  /** With the first turn. */
  readonly listings?: ListingsEntry | undefined;
  readonly events: readonly OutgoingEvent[];
  /** Frames that are stored with it. */
  readonly frames?: Chunk & { readonly tail: string };
}

interface PutBack {
  readonly session: ClaimedSession;
  readonly upstreamFailures: number;
  readonly checkCount: number;
  readonly delayMs: number;
  readonly events: readonly OutgoingEvent[];
}

type WrittenResults = ClaimedSession & { claimed: boolean; results: ResultEntry[] | null; earlierResults: ResultEntry[] | null };

type JournalRow = { runId: string; step: number; callId: string; kind: JournalEntry['kind']; body: JournalEntry };

/** Takes the place of a call id in the key of what MCP servers offered; real ones begin with `call_`. */
const LISTINGS = 'listings';

const NO_ROOM: ToolResult = {
  isError: true,
  errorCode: 'result_limit',
  content: 'The tool has answered, but its result was left out: the results of this run have reached the size that they may have together. Answer with what you have.',
};

/** Sessions and their journals. */
export class SessionStore {
  readonly #db: Database;
  readonly #relay: Relay;
  readonly #leaseMs: number;
  readonly #known = new KnownSessions();
  /** Ends a turn; false when the session is no longer this worker's. */
  readonly commit: (ending: Ending) => Promise<boolean>;
  /** Puts a held session back without a turn; false when it is no longer this worker's. */
  readonly putBack: (row: PutBack) => Promise<boolean>;
  /** Claims a session that was put back before its turn; undefined when it was stopped, or somebody else has it. */
  readonly resume: (runId: string) => Promise<ClaimedSession | undefined>;
  /** The journal of a session, in order. */
  readonly journal: (runId: string) => Promise<JournalEntry[]>;
  /** Notes that a session's first turn begins; returns when that was, or null if it was noted before. */
  readonly started: (event: OutgoingEvent) => Promise<Date | null>;

  constructor(db: Database, relay: Relay, leaseMs: number) {
    this.#db = db;
    this.#relay = relay;
    this.#leaseMs = leaseMs;
    this.commit = flusher<Ending, boolean>((endings) => this.#commitMany(endings));
    this.putBack = flusher<PutBack, boolean>((rows) => this.#putBackMany(rows));
    this.resume = flusher<string, ClaimedSession | undefined>((runIds) => this.#resumeMany(runIds));
    this.journal = flusher<string, JournalEntry[]>((runIds) => this.#journals(runIds));
    this.started = flusher<OutgoingEvent, Date | null>((events) => this.#startedMany(events));
  }

  /** Inserts sessions; known ones are skipped. Returns the new ones and whether they were claimed. */
  async insert(sessions: readonly NewSession[], events: readonly OutgoingEvent[]): Promise<(ClaimedSession & { claimed: boolean })[]> {
    const rows = await this.#db.query<Pick<ClaimedSession, 'runId' | 'epoch' | 'attempts' | 'startedAt'> & { claimed: boolean }>(INSERT, [JSON.stringify(sessions), outboxJson(events), this.#leaseMs]);
    const begun = new Set(rows.filter((row) => row.claimed).map((row) => row.runId));
    this.#relay.hand(events.filter((event) => begun.has(event.ref)));
    const byId = new Map(sessions.map((session) => [session.runId, session]));
    return rows.map((row) => {
      const session = newSession(must(byId.get(row.runId), 'session'));
      return { ...session, ...row, id: row.runId, lane: session.orgId, queueAgeMs: 0 };
    });
  }

  /** Stores tool results, as far as the run has room for them; returns the sessions whose last awaited result came. */
  async results(results: readonly ArrivedResult[]): Promise<(ClaimedSession & { claimed: boolean })[]> {
    const known = new Map(results.map(({ runId, step }) => [`${runId} ${step + 1}`, this.#known.waiting(runId, step)]));
    const rows = results.map(({ runId, step, callId, result, traceparent, claim }) => {
      const body = { kind: 'result', step, callId, result: journaled(result), traceparent };
      return { runId, step, callId, claim, known: known.get(`${runId} ${step + 1}`) !== undefined, body };
    });
    const written = await this.#db.query<WrittenResults>(RESULTS, [JSON.stringify(rows), this.#leaseMs, JSON.stringify(NO_ROOM)]);
    return written.map(({ results: stored, earlierResults, ...session }) => {
      const before = known.get(`${session.runId} ${session.step}`);
      this.#known.leave(session.runId);
      if (!before || !stored) return session;
      const arrived = new Map([...(earlierResults ?? []), ...stored].map((entry) => [entry.callId, entry]));
      const awaited = (session.calls ?? []).toSorted().map((callId) => arrived.get(callId));
      // What another statement stored while this one waited for it is counted, but not seen. And a database that was set back may have had this turn twice.
      const isWhole = awaited.every((entry): entry is ResultEntry => entry !== undefined && isAskedFor(before.journal, entry.callId));
      return { ...session, request: before.request, ...(isWhole && { journal: [...before.journal, ...awaited] }) };
    });
  }

  /** Says what the journal of a session is that was committed and waits for results now, which are then given out with it. */
  remember({ runId, step, request }: Pick<Session, 'runId' | 'step' | 'request'>, journal: readonly JournalEntry[]): void {
    this.#known.wait(runId, { step, request, journal });
  }

  /** Stops sessions for good. */
  stop(sessions: readonly Pick<Session, 'runId' | 'orgId' | 'apiKeyId' | 'pool' | 'engine' | 'traceparent'>[]): Promise<StoppedSession[]> {
    const unique = [...new Map(sessions.map((session) => [session.runId, session])).values()];
    for (const { runId } of unique) this.#known.leave(runId);
    return this.#db.query(STOP, [JSON.stringify(unique)]);
  }

  /** Stores events that belong to no other write. */
  async emit(events: readonly OutgoingEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#db.query(EMIT, [outboxJson(events)]);
    this.#relay.hand(events);
  }

  /** Which of these sessions are over. */
  async ended(runIds: readonly string[]): Promise<string[]> {
    return (await this.#db.query<{ runId: string }>(ENDED, [runIds])).map(({ runId }) => runId);
  }

  /** How far sessions are. */
  async ends(runIds: readonly string[]): Promise<SessionEnd[]> {
    const unique = [...new Set(runIds)];
    const known = unique.flatMap((runId) => this.#known.ended(runId) ?? []);
    const others = unique.filter((runId) => !this.#known.ended(runId));
    return others.length === 0 ? known : [...known, ...(await this.#db.query<SessionEnd>(ENDS, [others]))];
  }

  /** Sessions by id. */
  load(runIds: readonly string[]): Promise<Session[]> {
    return this.#db.query<Session>(LOAD, [runIds]);
  }

  async #commitMany(all: readonly Ending[]): Promise<boolean[]> {
    const newest = newestEndings(all, ({ session }) => session);
    const endings = [...newest.values()];
    const rows = endings.map(({ session, end, next, frames }) => ({
      runId: session.runId,
      epoch: session.epoch,
      next,
      step: session.step + 1,
      pending: end.commands.length,
      calls: end.commands.map((command) => command.callId),
      usage: end.usage,
      outcome: end.outcome,
      resultBytes: end.resultBytesMax,
      frameSeq: frames ? lastOf(frames) : session.frameSeq,
      frameTail: frames ? frames.tail : session.frameTail,
      delayMs: checkDelayMs(0),
    }));
    const journal = endings.flatMap(({ session: { runId }, end, listings }) => [
      ...(listings ? [{ runId, step: listings.step, callId: LISTINGS, kind: listings.kind, body: listings }] : []),
      { runId, step: end.entry.step, callId: '', kind: 'turn', body: end.entry },
      ...end.results.map((result) => ({ runId, step: result.step, callId: result.callId, kind: 'result', body: result })),
    ]);
    const chunks = columnsOf(endings.flatMap(({ frames }) => (frames && frames.frames.length > 0 ? [frames] : [])));
    const written = await this.#write(COMMIT, endings, [JSON.stringify(rows), outboxJson(endings.flatMap((ending) => ending.events)), JSON.stringify(journal), ...chunks]);
    for (const [index, { runId, step, usage, outcome, frameSeq, frameTail }] of rows.entries()) {
      const { session: { orgId, pool, traceparent, startedAt }, next } = must(endings[index], 'ending');
      if (next === 'done' && written.has(runId)) this.#known.end({ runId, orgId, pool, traceparent, state: 'done', step, usage, outcome: outcome ?? null, startedAt, frameSeq, frameTail });
    }
    return all.map((ending) => newest.get(ending.session.id) === ending && written.has(ending.session.id));
  }

  async #putBackMany(all: readonly PutBack[]): Promise<boolean[]> {
    const newest = newestEndings(all, ({ session }) => session);
    const rows = [...newest.values()];
    const input = rows.map(({ session, ...row }) => ({ runId: session.runId, epoch: session.epoch, upstreamFailures: row.upstreamFailures, checkCount: row.checkCount, delayMs: row.delayMs }));
    const written = await this.#write(PUT_BACK, rows, [JSON.stringify(input), outboxJson(rows.flatMap((row) => row.events))]);
    return all.map((row) => newest.get(row.session.id) === row && written.has(row.session.id));
  }

  async #resumeMany(runIds: readonly string[]): Promise<(ClaimedSession | undefined)[]> {
    const rows = await this.#db.query<ClaimedSession>(RESUME, [runIds, this.#leaseMs]);
    const byId = new Map(rows.map((row) => [row.runId, row]));
    // Whoever asks twice has it once.
    return runIds.map((runId, index) => (runIds.indexOf(runId) === index ? byId.get(runId) : undefined));
  }

  async #write(statement: typeof COMMIT, rows: readonly { session: ClaimedSession; events: readonly OutgoingEvent[] }[], params: unknown[]): Promise<Set<string>> {
    const written = new Set((await this.#db.query<{ id: string }>(statement, params)).map((row) => row.id));
    this.#relay.hand(rows.flatMap((row) => row.events).filter((event) => written.has(event.ref)));
    return written;
  }

  async #startedMany(events: readonly OutgoingEvent[]): Promise<(Date | null)[]> {
    const written = new Map((await this.#db.query<{ id: string; startedAt: Date }>(STARTED, [events.map((event) => event.ref), outboxJson(events)])).map((row) => [row.id, row.startedAt]));
    this.#relay.hand(events.filter((event) => written.has(event.ref)));
    return events.map((event) => written.get(event.ref) ?? null);
  }

  async #journals(runIds: readonly string[]): Promise<JournalEntry[][]> {
    const rows = await this.#db.query<JournalRow>(JOURNAL, [runIds]);
    const byRun = Map.groupBy(rows, (row) => row.runId);
    return runIds.map((runId) => (byRun.get(runId) ?? []).map((row) => row.body));
  }

  /** Turns' usage since a time, in pages. */
  async usageSince(sinceMs: number, cursor: string | undefined, limit: number): Promise<{ events: UsageRecorded[]; nextCursor: string | null }> {
    const [at, runId, step] = cursor === undefined ? [new Date(Date.now() - sinceMs).toISOString(), '', -1] : (JSON.parse(cursor) as [string, string, number]);
    const rows = await this.#db.query<Pick<Session, 'runId' | 'orgId' | 'apiKeyId' | 'engine'> & { step: number; body: TurnEntry; recordedAt: Date; at: string }>(USAGE_SINCE, [at, runId, step, limit]);
    const last = rows.at(-1);
    const nextCursor = rows.length === limit && last ? JSON.stringify([last.at, last.runId, last.step]) : null;
    return { events: rows.map((row) => usageOf(row, row.body, row.recordedAt)), nextCursor };
  }

  /** Deletes a batch of sessions that ended long ago; returns how many. */
  async forget(days: number, limit: number): Promise<number> {
    return (await this.#db.query(FORGET, [days, limit])).length;
  }
}

/** Whether the last turn of a journal made this call. */
function isAskedFor(journal: readonly JournalEntry[], callId: string): boolean {
  return journal.findLast((entry) => entry.kind === 'turn')?.calls.some((call) => call.callId === callId) ?? false;
}
