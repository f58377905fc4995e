import { type Database, type Statement, statement } from '@nightshift/postgres';
import { metrics } from '@nightshift/runtime';
import type { Surroundings } from './surroundings.ts';

const EVERY_MS = 5000;
const PING = statement('service.measure_ping', 'select 0 as rows, 0 as oldest');

/** What of a service is measured. */
export interface Measured {
  readonly name: string;
  readonly schema: string;
  /** It has dead letters. */
  readonly onBus: boolean;
  /** It has an outbox. */
  readonly publishes: boolean;
}

/** Measures now and then what only the database, or the connections to what is around, can tell. */
export function measure({ name: service, schema, onBus, publishes }: Measured, db: Database, around: Surroundings): void {
  const outbox = statement(`${schema}.outbox_count`, `select count(*)::int as rows, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest from (select created_at from ${schema}.outbox limit 100000) o`);
  const letters = statement(`${schema}.dead_letters_count`, `select count(*)::int as rows, 0 as oldest from (select 1 from ${schema}.dead_letters limit 10000) d`);
  const read = async (counted: Statement): Promise<{ rows: number; oldest: number }> => {
    try {
      return (await db.query<{ rows: number; oldest: number }>(counted))[0] ?? { rows: 0, oldest: 0 };
    } catch {
      return { rows: Number.NaN, oldest: Number.NaN };
    }
  };
  const round = async (): Promise<void> => {
    noteConnections(service, db, around);
    const [events, dead] = await Promise.all([publishes ? read(outbox) : undefined, onBus ? read(letters) : undefined]);
    if (events) metrics.outboxBacklog.set({ service }, events.rows);
    if (events) metrics.outboxOldest.set({ service }, events.oldest);
    if (dead) metrics.deadLettersWaiting.set({ service }, dead.rows);
    const { rows } = events ?? dead ?? (await read(PING));
    metrics.dependencyUp.set({ service, dependency: 'postgres' }, Number.isNaN(rows) ? 0 : 1);
  };
  // An increase is seen only of what was there before.
  for (const dependency of around.redisUrl === undefined ? ['postgres'] : ['postgres', 'kafka', 'redis']) metrics.connectionLosses.inc({ dependency }, 0);
  setInterval(() => void round(), EVERY_MS).unref();
  void round();
}

function noteConnections(service: string, { pools }: Database, { bus, hints, redisUrl }: Surroundings): void {
  const sum = (count: (pool: Database['pool']) => number): number => pools.reduce((total, pool) => total + count(pool), 0);
  metrics.databaseConnections.set({ service, state: 'active' }, sum((pool) => pool.totalCount - pool.idleCount));
  metrics.databaseConnections.set({ service, state: 'idle' }, sum((pool) => pool.idleCount));
  metrics.databaseConnections.set({ service, state: 'waiting' }, sum((pool) => pool.waitingCount));
  // In one process there is neither.
  if (redisUrl === undefined) return;
  metrics.dependencyUp.set({ service, dependency: 'kafka' }, bus.health().length === 0 ? 1 : 0);
  metrics.dependencyUp.set({ service, dependency: 'redis' }, hints.health().length === 0 ? 1 : 0);
}
