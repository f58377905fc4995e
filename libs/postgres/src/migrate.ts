import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const LOCK_KEY = 0x6e736d67;
/** Longer than PostgreSQL's `deadlock_timeout`, after which an autovacuum that is in the way is canceled. */
const LOCK_WAIT_MS = 2000;
const LOCK_PAUSE_MS = 1000;
const LOCK_TRIES = 100;
/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Applies the migrations of one app, in order, under an advisory lock, and records them in `_prisma_migrations` of its
 * schema the way Prisma does, so that `prisma migrate deploy` agrees. `folder` holds `<name>/migration.sql` files.
 * Each runs in a transaction with its record, and waits for locks two seconds at a time. Returns the names applied now.
 */
export async function migrate(options: { url: string; schema: string; folder: string }): Promise<string[]> {
  const client = new pg.Client({ connectionString: options.url, application_name: 'migrate' });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_KEY]);
    await client.query(`create schema if not exists ${options.schema}`);
    await client.query(`create table if not exists ${options.schema}._prisma_migrations (
      id varchar(36) primary key, checksum varchar(64) not null, finished_at timestamptz, migration_name varchar(255) not null,
      logs text, rolled_back_at timestamptz, started_at timestamptz not null default now(), applied_steps_count integer not null default 0)`);
    const done = await client.query<{ migration_name: string; checksum: string }>(`select migration_name, checksum from ${options.schema}._prisma_migrations where rolled_back_at is null`);
    const checksums = new Map(done.rows.map((row) => [row.migration_name, row.checksum]));
    const applied: string[] = [];
    for (const { name, sql, checksum } of await readMigrations(options.folder)) {
      const known = checksums.get(name);
      if (known === checksum) continue;
      if (known !== undefined) throw new Error(`migration ${options.schema}/${name} was changed after it was applied`);
      await apply(client, options.schema, name, sql, checksum);
      applied.push(name);
    }
    return applied;
  } finally {
    await client.end();
  }
}

/** What of an app's migrations a database has: `changed` ones were applied with another text, `unknown` ones by a newer release. */
export interface MigrationState {
  readonly applied: readonly string[];
  readonly missing: readonly string[];
  readonly changed: readonly string[];
  readonly unknown: readonly string[];
}

/** Compares the migrations of one app with what its schema records; changes nothing. */
export async function migrationState({ client, schema, folder }: { client: pg.Client; schema: string; folder: string }): Promise<MigrationState> {
  const table = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [`${schema}._prisma_migrations`]);
  const done = table.rows[0]?.exists === true ? (await client.query<{ name: string; checksum: string }>(`select migration_name as name, checksum from ${schema}._prisma_migrations where rolled_back_at is null order by 1`)).rows : [];
  const checksums = new Map(done.map(({ name, checksum }) => [name, checksum]));
  const ours = await readMigrations(folder);
  return {
    applied: done.map(({ name }) => name),
    missing: ours.flatMap(({ name }) => (checksums.has(name) ? [] : [name])),
    changed: ours.flatMap(({ name, checksum }) => (checksums.has(name) && checksums.get(name) !== checksum ? [name] : [])),
    unknown: done.flatMap(({ name }) => (ours.some((migration) => migration.name === name) ? [] : [name])),
  };
}

async function readMigrations(folder: string): Promise<{ name: string; sql: string; checksum: string }[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** Whoever waits for a table that a backup, say, holds makes everybody behind it wait too: so not for long, but again and again. */
async function apply(client: pg.Client, schema: string, name: string, sql: string, checksum: string): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await applyOnce(client, schema, name, sql, checksum);
    } catch (err) {
      const isLocked = err instanceof pg.DatabaseError && err.code === LOCK_NOT_AVAILABLE;
      if (isLocked && tried < LOCK_TRIES) await delay(LOCK_PAUSE_MS);
      else throw new Error(`migration ${schema}/${name} failed: ${err instanceof Error ? err.message : String(err)}${isLocked ? ', which another transaction has held for minutes' : ''}`, { cause: err });
    }
  }
}

async function applyOnce(client: pg.Client, schema: string, name: string, sql: string, checksum: string): Promise<void> {
  await client.query(`begin; set local lock_timeout = ${LOCK_WAIT_MS}`);
  try {
    await client.query(sql);
    await client.query(
      `insert into ${schema}._prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) values ($1, $2, $3, now(), now(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('commit');
  } catch (err) {
    await client.query('rollback');
    throw err;
  }
}
