import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { migrate } from '@nightshift/postgres';
import { type TestDatabase, testDatabase, uniqueName, waitFor } from '@nightshift/testing';
import pg from 'pg';

let database: TestDatabase;
let client: pg.Client;
let folder: string;
let schema: string;

beforeAll(async () => {
  database = await testDatabase({ template: 'empty', migrate: () => Promise.resolve() });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  schema = uniqueName('app');
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

async function put(name: string, sql: string): Promise<string> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'migration.sql'), sql);
  return sql;
}

const run = () => migrate({ url: database.url, schema, folder });
const records = async () => (await client.query(`select migration_name, checksum, finished_at is not null as finished, applied_steps_count as steps from ${schema}._prisma_migrations order by 1`)).rows as unknown[];

describe('migrate', () => {
  test('applies what is new, in the order of names, and nothing twice', async () => {
    await put('0002_rows', `insert into ${schema}.note values ('second')`);
    await put('0001_init', `create table ${schema}.note (text text)`);
    await writeFile(join(folder, 'migration_lock.toml'), 'provider = "postgresql"');
    expect(await run()).toEqual(['0001_init', '0002_rows']);
    expect(await run()).toEqual([]);
    await put('0003_more', `insert into ${schema}.note values ('third')`);
    expect(await run()).toEqual(['0003_more']);
    expect((await client.query(`select text from ${schema}.note order by 1`)).rows).toEqual([{ text: 'second' }, { text: 'third' }]);
  });

  test('applies each once when several processes start together', async () => {
    await put('0001_init', `create table ${schema}.note (text text); insert into ${schema}.note values ('one')`);
    const applied = await Promise.all([run(), run(), run()]);
    expect(applied.flat()).toEqual(['0001_init']);
    expect((await client.query(`select text from ${schema}.note`)).rowCount).toBe(1);
  });

  test('waits for a table that somebody holds, and lets others at it meanwhile', async () => {
    await put('0001_init', `create table ${schema}.note (text text)`);
    await run();
    await put('0002_more', `alter table ${schema}.note add column more text`);
    await client.query('begin');
    await client.query(`select * from ${schema}.note`);
    const applied = run();
    const waiting = "select 1 from pg_stat_activity where application_name = 'migrate' and wait_event_type = 'Lock' and datname = current_database()";
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await waitFor(async () => (await other.query(waiting)).rowCount === 1);
    // Behind the migration, until that lets go.
    await other.query(`select * from ${schema}.note`);
    await client.query('commit');
    expect(await applied).toEqual(['0002_more']);
    await other.end();
  });

  test('records a migration the way Prisma does', async () => {
    const sql = await put('0001_init', `create table ${schema}.note (text text)`);
    await run();
    expect(await records()).toEqual([{ migration_name: '0001_init', checksum: createHash('sha256').update(sql).digest('hex'), finished: true, steps: 1 }]);
  });

  test('leaves nothing of a migration that fails, and applies it when it is mended', async () => {
    await put('0001_init', `create table ${schema}.note (text text)`);
    await put('0002_broken', `create table ${schema}.half (id int); select * from ${schema}.missing`);
    await expect(run()).rejects.toThrow(`migration ${schema}/0002_broken failed`);
    expect(await records()).toMatchObject([{ migration_name: '0001_init' }]);
    expect((await client.query(`select to_regclass('${schema}.half') as half`)).rows).toEqual([{ half: null }]);
    await put('0002_broken', `create table ${schema}.half (id int)`);
    expect(await run()).toEqual(['0002_broken']);
  });

  test('refuses a migration that was changed after it was applied', async () => {
    await put('0001_init', `create table ${schema}.note (text text)`);
    await run();
    await put('0001_init', `create table ${schema}.note (text text, more text)`);
    await expect(run()).rejects.toThrow('0001_init was changed after it was applied');
    await rm(folder, { recursive: true });
  });
});
