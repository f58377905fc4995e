import { AppError, type InternalCreateRun, type InternalReplay, type RunRequest, type OutgoingEvent } from '@nightshift/contracts';
import { type Database, flusher, outboxEvent, outboxJson, type Relay } from '@nightshift/postgres';
import { checkDelayMs, dueAt, fold, QUEUE_LIMIT_MS, type Change, type Run, type RunEvent } from './run.ts';
import { eventsOf, type RunEventOut, startCommand } from './run-events.ts';
import { COMMIT, CREATE, DUE, FIND_KEY, FORGET, LOAD } from './run.sql.ts';

type Loaded = Run & { readonly now: Date; readonly request?: RunRequest };

interface Pending {
  readonly change: Change;
  readonly seenVersion: number;
  readonly events: readonly OutgoingEvent[];
}

const CONFLICTS_MAX = 20;

/** The only writer of runs. */
export class RunStore {
  readonly #db: Database;
  readonly #relay: Relay;
  readonly #onChange: (change: Change) => void;
  readonly #create: (run: InternalCreateRun) => Promise<boolean>;
  readonly #commit: (pending: Pending) => Promise<boolean>;

  constructor(db: Database, relay: Relay, onChange: (change: Change) => void = () => undefined) {
    this.#db = db;
    this.#onChange = onChange;
    this.#relay = relay;
    this.#create = flusher<InternalCreateRun, boolean>((runs) => this.#createMany(runs));
    this.#commit = flusher<Pending, boolean>((pending) => this.#commitMany(pending));
  }

  /** Accepts a run. With an idempotency key that is taken, answers the run that has it, or `conflict` for another body. */
  async create(run: InternalCreateRun): Promise<{ runId: string; replayed: boolean }> {
    const created = await this.#create(run);
    if (created || !run.idempotency) return { runId: run.runId, replayed: false };
    const holder = await this.holderOf(run.orgId, run.idempotency);
    if (holder === null) throw new AppError('service_unavailable', { message: 'The idempotency key was being released; try again.', headers: { 'retry-after': '1' } });
    return { runId: holder, replayed: holder !== run.runId };
  }

  /** The run that an idempotency key has made, or null if the key is free; `conflict` for another body. */
  async holderOf(orgId: string, { route, key, bodyHash }: InternalReplay['idempotency']): Promise<string | null> {
    const [holder] = await this.#db.query<{ runId: string; bodyHash: string }>(FIND_KEY, [orgId, route, key]);
    if (holder && holder.bodyHash !== bodyHash) throw new AppError('conflict');
    return holder?.runId ?? null;
  }

  /** Two runs with one idempotency key cannot be in one statement: the second is answered as if it had come later. */
  async #createMany(all: readonly InternalCreateRun[]): Promise<boolean[]> {
    const first = new Map(all.toReversed().map((run) => [run.idempotency ? JSON.stringify([run.orgId, run.idempotency.route, run.idempotency.key]) : run.runId, run]));
    const runs = [...first.values()];
    const rows = runs.map((run) => ({
      ...run,
      id: run.runId,
      ...run.idempotency,
      egressAllow: run.request.egressAllow,
      queueLimitMs: QUEUE_LIMIT_MS,
      checkMs: checkDelayMs(0),
    }));
    const events = runs.map((run) => startEvent(run));
    const written = new Set((await this.#db.query<{ id: string }>(CREATE, [JSON.stringify(rows), outboxJson(events)])).map((row) => row.id));
    this.#relay.hand(events.filter((event) => written.has(event.ref)));
    return all.map((run) => written.has(run.runId));
  }

  /**
   * Applies what has happened to runs: load, decide, commit; a run that somebody else wrote meanwhile is decided again.
   * Unknown runs are skipped. Returns the runs as they are now.
   */
  async apply(happened: readonly { runId: string; event: RunEvent }[]): Promise<Map<string, Run>> {
    const events = Map.groupBy(happened, ({ runId }) => runId);
    const result = new Map<string, Run>();
    let open = [...events.keys()];
    for (let round = 0; open.length > 0; round += 1) {
      if (round > CONFLICTS_MAX) throw new Error(`runs keep changing: ${open.join(', ')}`);
      const loaded = await this.#db.query<Loaded>(LOAD, [open]);
      open = await this.#decide(loaded, (run) => (events.get(run.id) ?? []).map(({ event }) => event), result);
    }
    return result;
  }

  /** Attends to runs whose deadline or check is due; returns how many there were. */
  async attendDue(limit: number): Promise<number> {
    const loaded = await this.#db.query<Loaded>(DUE, [limit]);
    await this.#decide(loaded, () => [{ kind: 'due' }], new Map());
    return loaded.length;
  }

  async #decide(loaded: readonly Loaded[], eventsFor: (run: Run) => readonly RunEvent[], result: Map<string, Run>): Promise<string[]> {
    const conflicts: string[] = [];
    await Promise.all(
      loaded.map(async ({ now, request, ...run }) => {
        const change = fold(run, eventsFor(run), now);
        const written = change ? await this.#commit({ change, seenVersion: run.version, events: outboxEvents(run, eventsOf(change, request)) }) : true;
        if (written && change) this.#onChange(change);
        if (written) result.set(run.id, change?.run ?? run);
        else conflicts.push(run.id);
      }),
    );
    return conflicts;
  }

  /** Two changes of one run in a batch would both count as written: only the first is tried. */
  async #commitMany(pending: readonly Pending[]): Promise<boolean[]> {
    const first = new Map<string, Pending>();
    for (const entry of pending) if (!first.has(entry.change.run.id)) first.set(entry.change.run.id, entry);
    const rows = [...first.values()].map(({ change: { run }, seenVersion }) => {
      const { id, status, result, error, usage, startedAt, completedAt, deadlineAt, checkAt, checkCount } = run;
      return { id, version: seenVersion, status, result, error, usage, startedAt, completedAt, deadlineAt, checkAt, checkCount, dueAt: dueAt(run) };
    });
    const events = [...first.values()].flatMap((entry) => entry.events);
    const written = new Set((await this.#db.query<{ id: string }>(COMMIT, [JSON.stringify(rows), outboxJson(events)])).map((row) => row.id));
    this.#relay.hand(events.filter((event) => written.has(event.ref)));
    return pending.map((entry) => first.get(entry.change.run.id) === entry && written.has(entry.change.run.id));
  }

  /** Deletes a batch of runs that ended long ago and of keys that are free again; returns how many rows. */
  async forget(days: number, limit: number): Promise<number> {
    return (await this.#db.query(FORGET, [days, limit])).length;
  }
}

function startEvent({ runId, orgId, apiKeyId, pool, engine, request, traceparent }: InternalCreateRun): OutgoingEvent {
  const payload = startCommand({ runId, orgId, apiKeyId, pool, engine }, request);
  return outboxEvent({ ref: runId, topic: 'run.commanded', pool, key: runId, payload, traceparent });
}

function outboxEvents(run: Pick<Run, 'id' | 'pool' | 'traceparent'>, events: readonly RunEventOut[]): OutgoingEvent[] {
  return events.map(({ topic, payload }) => outboxEvent({ ref: run.id, topic, pool: run.pool, key: run.id, payload, traceparent: run.traceparent }));
}
