import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type Database, hotStatement, isInfrastructure, statement } from '@nightshift/postgres';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import pg from 'pg';

let database: TestDatabase;
let db: Database;
let lost: Error[];

beforeAll(async () => {
  database = await testDatabase({
    template: 'database.int 1',
    migrate: async (url) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query('create table note (text text primary key)');
      await client.end();
    },
  });
  lost = [];
  db = connect({ url: database.url, max: 2, name: 'test-database', onError: (err) => lost.push(err) });
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const notes = async () => (await db.query<{ text: string }>(statement('notes', 'select text from note order by 1'))).map((row) => row.text);
const ADD = statement('add', 'insert into note values ($1)');

describe('a database', () => {
  test('gives int8 as a number', async () => {
    expect(await db.query(statement('big', 'select 9007199254740991::int8 as n, count(*) as rows from note'))).toEqual([{ n: Number.MAX_SAFE_INTEGER, rows: 0 }]);
  });

  test('plans a hot statement once for all values, however its table has grown since', async () => {
    const [hot, admin] = [connect({ url: database.url, max: 2, name: 'test-hot', onError: (err) => lost.push(err) }), db];
    const find = hotStatement('find', 'select text from note where text = any($1::text[])');
    for (let at = 0; at < 10; at += 1) await hot.query(find, [['a']]);
    await admin.query(statement('grow', `insert into note select 'many ' || n from generate_series(1, 5000) n`));
    await admin.query(statement('analyze', 'analyze note'));
    for (let at = 0; at < 10; at += 1) await hot.query(find, [['a']]);
    expect(await hot.query(hotStatement('plans', `select generic_plans as generic, custom_plans as custom from pg_prepared_statements where name = 'find'`))).toEqual([{ generic: 20, custom: 0 }]);
    expect(await hot.query(statement('mode', `select current_setting('plan_cache_mode') as mode`))).toEqual([{ mode: 'auto' }]);
    await admin.query(statement('shrink', `delete from note where text like 'many %'`));
    await hot.close();
  });

  test('commits a transaction whole, or not at all when it throws', async () => {
    expect(await db.transaction(async (query) => {
      await query(ADD, ['one']);
      await query(ADD, ['two']);
      return 'done';
    })).toBe('done');
    await expect(db.transaction(async (query) => {
      await query(ADD, ['three']);
      await query(ADD, ['one']);
    })).rejects.toMatchObject({ code: '23505' });
    await expect(db.transaction(async (query) => {
      await query(ADD, ['four']);
      throw new Error('changed my mind');
    })).rejects.toThrow('changed my mind');
    expect(await notes()).toEqual(['one', 'two']);
  });

  test('tells a killed connection from a bad statement, and goes on with a new one', async () => {
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    const kill = () => admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test-database'");
    const slow = db.query(statement('slow', 'select pg_sleep(20)'));
    const caught = slow.then(() => undefined, (err: unknown) => err);
    await waitFor(async () => (await admin.query("select 1 from pg_stat_activity where application_name = 'test-database' and wait_event = 'PgSleep'")).rowCount === 1);
    await kill();
    expect(isInfrastructure(await caught)).toBe(true);
    await expect(db.query(statement('bad', 'select no_such_column'))).rejects.toMatchObject({ code: '42703' });
    expect(await notes()).toEqual(['one', 'two']);
    // An idle connection that is lost is reported, and not thrown at the process.
    await kill();
    await waitFor(() => lost.length > 0);
    expect(await notes()).toEqual(['one', 'two']);
    await admin.end();
  });

  test('survives that a connection is killed between two statements of a transaction', async () => {
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    const before = lost.length;
    const caught = await db.transaction(async (query) => {
      const [self] = await query<{ pid: number }>(statement('self', 'select pg_backend_pid() as pid'));
      await admin.query('select pg_terminate_backend($1)', [self?.pid]);
      await waitFor(() => lost.length > before);
      await query(ADD, ['five']);
    }).then(() => undefined, (err: unknown) => err);
    expect(isInfrastructure(caught)).toBe(true);
    expect(await notes()).toEqual(['one', 'two']);
    await admin.end();
  });

  test('that cannot be reached is infrastructure', async () => {
    const nowhere = connect({ url: 'postgresql://nobody@127.0.0.1:1/none', max: 1, name: 'nowhere', onError: () => undefined });
    const err: unknown = await nowhere.query(statement('ping', 'select 1')).catch((failure: unknown) => failure);
    expect(isInfrastructure(err)).toBe(true);
    await nowhere.close();
  });
});
