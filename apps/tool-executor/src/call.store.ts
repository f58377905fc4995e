import { AppError, type ToolResult, type OutgoingEvent } from '@nightshift/contracts';
import { type Claimed, type Database, flusher, newestEndings, outboxEvent, outboxJson, type Relay } from '@nightshift/postgres';
import { contextOf } from '@nightshift/runtime';
import { must } from '@nightshift/std';
import { type Call, callKey, completedEvent } from './call.ts';
import { CANCEL, COMMIT, DONE, EMIT, FORGET, INSERT } from './call.sql.ts';

/** A call as a claim returns it. */
export type ClaimedCall = Call & Claimed;

/** A call to insert; `claim`: this process makes it at once. */
export type NewCall = Omit<Call, 'attempts'> & { readonly lane: string; readonly claim: boolean };

interface Ending {
  readonly call: ClaimedCall;
  readonly result: ToolResult;
}

/** What became of a commit: whether the call was still this worker's, and whether others of its lane wait. */
export interface Committed {
  readonly isOurs: boolean;
  readonly laneWaits: boolean;
}

type DoneCall = Pick<Call, 'id' | 'runId' | 'pool' | 'step' | 'traceparent'> & { readonly result: ToolResult };

/** Tool calls and what became of them. */
export class CallStore {
  readonly #db: Database;
  readonly #relay: Relay;
  readonly #leaseMs: number;
  readonly #laneMax: number;
  /** Ends a call, if it is still this worker's. */
  readonly commit: (ending: Ending) => Promise<Committed>;

  constructor(db: Database, relay: Relay, { leaseMs, laneMax }: { leaseMs: number; laneMax: number }) {
    this.#db = db;
    this.#relay = relay;
    this.#leaseMs = leaseMs;
    this.#laneMax = laneMax;
    this.commit = flusher((endings) => this.#commitMany(endings));
  }

  /** Inserts calls; known ones are skipped. Returns the new ones and whether they were claimed. */
  async insert(calls: readonly NewCall[]): Promise<(ClaimedCall & { claimed: boolean })[]> {
    const rows = await this.#db.query<Pick<ClaimedCall, 'id' | 'epoch' | 'attempts'> & { claimed: boolean }>(INSERT, [JSON.stringify(calls), this.#leaseMs, this.#laneMax]);
    const byId = new Map(calls.map((call) => [call.id, call]));
    return rows.map((row) => ({ ...must(byId.get(row.id), 'call'), ...row, queueAgeMs: 0 }));
  }

  async #commitMany(all: readonly Ending[]): Promise<Committed[]> {
    const newest = newestEndings(all, ({ call }) => call);
    const endings = [...newest.values()];
    const events = endings.map(({ call, result }) => completed({ ...call, result, traceparent: call.traceparent ? contextOf(call.traceparent, callKey(call, call.epoch)) : undefined }));
    const rows = endings.map(({ call, result }) => ({ id: call.id, epoch: call.epoch, result }));
    const written = new Map((await this.#db.query<{ id: string; laneWaits: boolean }>(COMMIT, [JSON.stringify(rows), outboxJson(events)])).map((row) => [row.id, row.laneWaits]));
    this.#relay.hand(events.filter((event) => written.has(event.ref)));
    return all.map((ending) => ({ isOurs: newest.get(ending.call.id) === ending && written.has(ending.call.id), laneWaits: written.get(ending.call.id) ?? false }));
  }

  /** Cancels calls for good; returns those that were not over yet. */
  async cancel(calls: readonly Pick<Call, 'id' | 'runId' | 'orgId' | 'pool' | 'step'>[]): Promise<string[]> {
    const unique = [...new Map(calls.map((call) => [call.id, call])).values()];
    return (await this.#db.query<{ id: string }>(CANCEL, [JSON.stringify(unique)])).map((row) => row.id);
  }

  /** Says once more what became of calls that are done. */
  async answerAgain(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const events = (await this.#db.query<DoneCall>(DONE, [ids])).map(completed);
    if (events.length === 0) return;
    await this.#db.query(EMIT, [outboxJson(events)]);
    this.#relay.hand(events);
  }

  /** The result of a call that is done. */
  async result(id: string): Promise<ToolResult> {
    const [call] = await this.#db.query<DoneCall>(DONE, [[id]]);
    if (!call) throw new AppError('not_found');
    return call.result;
  }

  /** Deletes a batch of calls that ended long ago; returns how many. */
  async forget(days: number, limit: number): Promise<number> {
    return (await this.#db.query(FORGET, [days, limit])).length;
  }
}

function completed(call: DoneCall): OutgoingEvent {
  return outboxEvent({ ref: call.id, topic: 'tool.completed', pool: call.pool, key: call.runId, payload: completedEvent(call, call.result), traceparent: call.traceparent ?? undefined });
}
