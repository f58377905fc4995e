import { migrationState } from '@nightshift/postgres';
import type { App } from '@nightshift/runtime';
import pg from 'pg';
import { migrationsOf, SCHEMAS } from './apps.ts';
import { type Check, fail, judge, ok } from './check.ts';
import { reasonOf } from './failure.ts';

const CONNECT_TIMEOUT_MS = 5000;
const QUERY_TIMEOUT_MS = 10_000;
const VERSION_MIN = 15;
const SKEW_MAX_MS = 2000;

/** `sslMode`: PGSSLMODE of the environment that is checked, which holds where the URL has no sslmode. */
export interface PostgresAddress {
  readonly url: string;
  readonly sslMode: string | undefined;
}

/** What the services need of their database. `connections`: how many all processes together may open. */
export async function checkPostgres({ url, sslMode }: PostgresAddress, apps: readonly App[], connections: number): Promise<Check[]> {
  const client = new pg.Client({ connectionString: url, ssl: sslOf(sslMode), application_name: 'nightshift-check', connectionTimeoutMillis: CONNECT_TIMEOUT_MS, query_timeout: QUERY_TIMEOUT_MS });
  // A connection that breaks fails the query that waits for it.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (err) {
    return [fail('postgres', reasonOf(err), 'DATABASE_URL must name a PostgreSQL that can be reached from here, with user and password')];
  }
  try {
    const checks = [await version(client), await clock(client), await limit(client, connections), await durability(client)];
    for (const app of apps) checks.push(await migrations(client, app));
    return checks;
  } catch (err) {
    return [fail('postgres', reasonOf(err), 'the role of DATABASE_URL must be able to read and make the product’s schemas')];
  } finally {
    await client.end();
  }
}

// As the driver reads it from a process's own environment.
function sslOf(mode: string | undefined): boolean | { rejectUnauthorized: false } {
  if (mode === 'no-verify') return { rejectUnauthorized: false };
  return mode !== undefined && ['prefer', 'require', 'verify-ca', 'verify-full'].includes(mode);
}

async function one<Row extends object>(client: pg.Client, text: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await client.query<Row>(text, values);
  return rows[0] as Row;
}

async function version(client: pg.Client): Promise<Check> {
  const { number, text, database, role, replica } = await one<{ number: number; text: string; database: string; role: string; replica: boolean }>(
    client,
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as text, current_database() as database, current_user as role, pg_is_in_recovery() as replica`,
  );
  const detail = `PostgreSQL ${text}, database ${database}, role ${role}`;
  if (replica) return fail('postgres', `${detail}; it is a read-only replica`, 'name the primary in DATABASE_URL');
  return judge('postgres', number < VERSION_MIN * 10_000, detail, `use PostgreSQL ${VERSION_MIN} or newer`);
}

// Half of the round trip is taken for the way there.
async function clock(client: pg.Client): Promise<Check> {
  const sentAt = Date.now();
  const { now } = await one<{ now: number }>(client, `select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`);
  const skewMs = Math.round(now - (sentAt + Date.now()) / 2);
  return judge('clock', Math.abs(skewMs) > SKEW_MAX_MS, `${Math.abs(skewMs)} ms ${skewMs < 0 ? 'ahead of' : 'behind'} the database`, 'let NTP set the clocks of this machine and the database: keys expire and webhooks are signed by them');
}

async function limit(client: pg.Client, connections: number): Promise<Check> {
  const { max, role, database } = await one<{ max: number; role: number; database: number }>(
    client,
    `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true)::int, 0) as max,
      (select rolconnlimit from pg_roles where rolname = current_user) as role, (select datconnlimit from pg_database where datname = current_database()) as database`,
  );
  const allowed = Math.min(max, ...[role, database].filter((bound) => bound >= 0));
  return judge('connections', connections > allowed, `the processes may open ${connections}, the database allows ${allowed}`, 'raise max_connections (or the limit of the role or database), or run fewer replicas');
}

async function durability(client: pg.Client): Promise<Check> {
  const { fsync, commit } = await one<{ fsync: string; commit: string }>(client, `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`);
  return judge('durability', fsync !== 'on' || commit === 'off', `fsync ${fsync}, synchronous_commit ${commit}`, 'set fsync = on and synchronous_commit to anything but off: a run that was accepted must survive a crash');
}

async function migrations(client: pg.Client, app: App): Promise<Check> {
  const schema = SCHEMAS[app];
  const name = `migrations of ${app}`;
  const { applied, missing, changed, unknown } = await migrationState({ client, schema, folder: migrationsOf(app) });
  if (changed.length > 0) return fail(name, `${changed.join(', ')} was applied with another text`, 'run the release whose migrations these are; a migration that was applied is never edited');
  const later = unknown.length > 0 ? `, ${unknown.join(', ')} of a newer release` : '';
  if (missing.length === 0) return ok(name, `${applied.length} applied${later}`);
  const { may } = await one<{ may: boolean }>(client, `select case when to_regnamespace($1) is null then has_database_privilege(current_database(), 'create') else has_schema_privilege($1, 'create') end as may`, [schema]);
  return judge(name, !may, `${applied.length} applied${later}; ${missing.join(', ')} to come, when the service starts`, `grant the role CREATE on ${applied.length > 0 ? `the schema ${schema}` : 'the database'}, or let a role that has it migrate first`);
}
