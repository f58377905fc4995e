import pg from 'pg';
import { SCHEMAS } from '../apps.ts';

const TIMEOUT_MS = 15_000;
const COUNTED_MAX = 100_000;

/** What the database says of the product's work: numbers, names and times, no row's content. */
export async function databaseFacts(url: string): Promise<Record<string, unknown>> {
  const client = new pg.Client({ connectionString: url, application_name: 'nightshift-support', connectionTimeoutMillis: 5000, query_timeout: TIMEOUT_MS });
  // A connection that breaks fails the query that waits for it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const rows = async (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> => (await client.query<Record<string, unknown>>(text, values)).rows;
    const schemas = Object.values(SCHEMAS);
    return {
      server: await rows(`select current_setting('server_version') as version, pg_postmaster_start_time() as started, pg_is_in_recovery() as replica, pg_database_size(current_database())::float8 as bytes`),
      settings: await rows(`select name, setting, unit from pg_settings where name = any($1) order by name`, [['max_connections', 'shared_buffers', 'fsync', 'synchronous_commit', 'autovacuum', 'wal_level', 'work_mem', 'statement_timeout', 'idle_in_transaction_session_timeout']]),
      connections: await rows(`select application_name, state, count(*)::int as connections, max(extract(epoch from now() - state_change))::int as longest_seconds from pg_stat_activity where datname = current_database() group by 1, 2 order by 1, 2`),
      tables: await rows(`select schemaname as schema, relname as table, n_live_tup::float8 as rows, n_dead_tup::float8 as dead, pg_total_relation_size(relid)::float8 as bytes, last_autovacuum from pg_stat_user_tables where schemaname = any($1) order by 1, 2`, [schemas]),
      migrations: await migrations(rows, schemas),
      queues: await queues(rows, schemas),
    };
  } finally {
    await client.end();
  }
}

type Rows = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

async function migrations(rows: Rows, schemas: readonly string[]): Promise<Record<string, unknown>> {
  const told: [string, unknown][] = [];
  for (const { schema } of (await tablesWith(rows, schemas, 'migration_name')) as { schema: string }[]) {
    told.push([schema, await rows(`select migration_name as name, finished_at, rolled_back_at from ${pg.escapeIdentifier(schema)}._prisma_migrations order by 1`)]);
  }
  return Object.fromEntries(told);
}

/** Every table of work, deadlines or events with what is due in it, counted up to 100,000. */
async function queues(rows: Rows, schemas: readonly string[]): Promise<unknown[]> {
  const told: unknown[] = [];
  const leased = new Set((await tablesWith(rows, schemas, 'lease_until')).map(({ schema, table }) => `${schema}.${table}`));
  for (const { schema, table } of await tablesWith(rows, schemas, 'due_at')) {
    const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
    const isLeased = leased.has(`${schema}.${table}`);
    const [due] = await rows(`select count(*)::int as due, extract(epoch from now() - min(due_at))::float8 as oldest_due_seconds from (select due_at from ${name} where due_at <= now() ${isLeased ? 'and lease_until is null' : ''} limit ${COUNTED_MAX}) d`);
    const [held] = isLeased ? await rows(`select count(*)::int as held, count(*) filter (where lease_until < now())::int as expired, max(attempts)::int as attempts_max from ${name} where lease_until is not null`) : [{}];
    told.push({ table: `${schema}.${table}`, ...due, ...held });
  }
  for (const { schema } of await tablesWith(rows, schemas, 'claimed_until')) {
    const [waiting] = await rows(`select count(*)::int as waiting, extract(epoch from now() - min(created_at))::float8 as oldest_seconds from (select created_at from ${pg.escapeIdentifier(schema)}.outbox limit ${COUNTED_MAX}) o`);
    told.push({ table: `${schema}.outbox`, ...waiting });
  }
  return told;
}

async function tablesWith(rows: Rows, schemas: readonly string[], column: string): Promise<{ schema: string; table: string }[]> {
  const found = await rows(`select c.table_schema as schema, c.table_name as table from information_schema.columns c join information_schema.tables t using (table_schema, table_name) where c.table_schema = any($1) and c.column_name = $2 and t.table_type = 'BASE TABLE' order by 1, 2`, [schemas, column]);
  return found as { schema: string; table: string }[];
}
