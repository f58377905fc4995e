import { type Claimed, connect, type Database, type Held, statement, Worker, type WorkObserver, type WorkTable } from '@nightshift/postgres';
import { type TestDatabase, testDatabase } from '@nightshift/testing';
import pg from 'pg';

export type Row = Claimed & { readonly note: string | null };

export const TABLE: WorkTable = { name: 'app.work', id: 'id', columns: 't.note' };
/** The same, where owners of lanes share the slots. */
export const SHARED: WorkTable = { ...TABLE, ownersShare: true };

const TABLES = `create schema app;
  create table app.work (id text primary key, note text, lane text collate "C" not null, pool text not null default 'shared', due_at timestamptz, lease_until timestamptz,
    attempts integer not null default 0, epoch integer not null default 0);
  create index work_waiting on app.work (pool, lane, due_at) where lease_until is null and due_at is not null;
  create index work_held on app.work (pool, lease_until) where lease_until is not null`;

export const LEASE_MS = 5000;

/** Row of a table of work, and how far from now it is due and leased, in milliseconds. */
export type Given = { id: string; lane?: string; pool?: string; dueInMs?: number | null; leaseInMs?: number | null; attempts?: number };

/** A table of work in a database of its own, and the workers that a test runs on it. */
export async function workStage() {
  const database: TestDatabase = await testDatabase({
    template: TABLES,
    migrate: async (url) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(TABLES);
      await client.end();
    },
  });
  const db = connect({ url: database.url, max: 6, name: 'test', onError: (err) => console.error(err) });
  const workers: { worker: Worker<Row>; open: () => void }[] = [];
  const seen = { lost: [] as string[], trouble: [] as unknown[], backlog: [] as number[] };
  const observer: WorkObserver = {
    claimed: () => undefined,
    leaseLost: (id) => void seen.lost.push(id),
    backlog: ({ rows }) => void seen.backlog.push(rows),
    trouble: (err) => void seen.trouble.push(err),
  };

  /** A worker whose rows run until they are let go or aborted; `began` is every row that it was given, in order. */
  function worker({ pool = 'shared', slots = 10, laneMax = slots, leaseMs = LEASE_MS, hold = true, on = db, table = TABLE, evenly = false }: { evenly?: boolean; table?: WorkTable; pool?: string; slots?: number; laneMax?: number; leaseMs?: number; hold?: boolean; on?: Database } = {}) {
    const began: Row[] = [];
    const aborted: string[] = [];
    const gates = new Map<string, () => void>();
    const run = async (row: Row, { signal }: Held): Promise<void> => {
      began.push(row);
      if (hold) {
        await new Promise<void>((resolve) => {
          gates.set(row.id, resolve);
          signal.addEventListener('abort', () => {
            aborted.push(`${row.id}: ${(signal.reason as Error).message}`);
            resolve();
          });
        });
      }
      if (!signal.aborted) await commit(row);
    };
    const made = new Worker<Row>({ db: on, table, pool, slots, laneMax, leaseMs, evenly, run, observer });
    const end = (id: string): void => gates.get(id)?.();
    workers.push({ worker: made, open: () => gates.forEach((open) => open()) });
    return { worker: made, began, aborted, end, ids: () => began.map((row) => row.id) };
  }

  /** Ends a row if it is still this claim's; false when it is not. */
  async function commit(row: Pick<Row, 'id' | 'epoch'>): Promise<boolean> {
    const rows = await db.query(statement('test.commit', 'update app.work set due_at = null, lease_until = null, attempts = 0 where id = $1 and epoch = $2 and lease_until is not null returning 1'), [row.id, row.epoch]);
    return rows.length === 1;
  }

  const put = (rows: readonly Given[]) =>
    db.query(
      statement('test.put', `insert into app.work (id, lane, pool, due_at, lease_until, attempts, epoch)
        select id, coalesce(lane, 'a'), coalesce(pool, 'shared'), now() + coalesce("dueInMs", 0) * interval '1 ms', now() + "leaseInMs" * interval '1 ms', coalesce(attempts, 0), coalesce(attempts, 0)
        from json_to_recordset($1::json) as x(id text, lane text, pool text, "dueInMs" float8, "leaseInMs" float8, attempts int)`),
      [JSON.stringify(rows)],
    );

  const rows = () =>
    db.query<{ id: string; attempts: number; epoch: number; held: boolean; due: boolean | null; leaseMs: number | null }>(
      statement('test.rows', `select id, attempts, epoch, lease_until is not null as held, due_at <= now() as due, (extract(epoch from lease_until - now()) * 1000)::float8 as "leaseMs" from app.work order by id`),
    );

  return {
    db,
    seen,
    worker,
    commit,
    put,
    rows,
    sql: (text: string) => db.pool.query(text),
    /** Ends all workers and empties the table. */
    async clear(): Promise<void> {
      for (const { open } of workers) open();
      await Promise.all(workers.splice(0).map((made) => made.worker.drain(AbortSignal.abort())));
      await db.query(statement('test.clear', 'truncate app.work'));
      Object.assign(seen, { lost: [], trouble: [], backlog: [] });
    },
    async close(): Promise<void> {
      await db.close();
      await database.drop();
    },
  };
}
