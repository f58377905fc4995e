import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { connect, type Database, statement } from '@nightshift/postgres';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import { PoolMembers, servePool } from '@nightshift/service';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import pg from 'pg';

const TABLE = 'create schema app; create table app.pool_members (id text primary key, pool text not null, seen_at timestamptz not null default now(), left_at timestamptz)';
const log = createLog({ level: 'silent', format: 'json' });

let database: TestDatabase;
let db: Database;
let members: PoolMembers;

beforeAll(async () => {
  database = await testDatabase({
    template: TABLE,
    migrate: async (url) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(TABLE);
      await client.end();
    },
  });
  db = connect({ url: database.url, max: 4, name: 'test', onError: (err) => console.error(err) });
  members = new PoolMembers(db, 'app');
});
afterEach(() => db.query(statement('clear', 'truncate app.pool_members')));
afterAll(async () => {
  await db.close();
  await database.drop();
});

const live = async () => Object.fromEntries((await members.list()).map(({ pool, live: count }) => [pool, count]));
/** Lets the process be silent for so long. */
const silent = (id: string, ms: number) => db.pool.query(`update app.pool_members set seen_at = seen_at - $2 * interval '1 ms' where id = $1`, [id, ms]);

describe('the members of pools', () => {
  test('are counted by pool, each once, however often they say so', async () => {
    for (const [id, pool] of [['a', 'acme'], ['b', 'acme'], ['c', 'shared'], ['a', 'acme']] as const) await members.beat(id, pool);
    expect(await live()).toEqual({ acme: 2, shared: 1 });
  });

  test('count as gone when they have been silent for ten seconds, and as there again with the next word', async () => {
    await members.beat('a', 'acme');
    await silent('a', 9000);
    expect(await live()).toEqual({ acme: 1 });
    await silent('a', 2000);
    expect(await live()).toEqual({ acme: 0 });
    expect((await members.list())[0]?.lastSeenAt).toBeInstanceOf(Date);
    await members.beat('a', 'acme');
    expect(await live()).toEqual({ acme: 1 });
  });

  test('are gone at once when they leave, and forgotten a day later', async () => {
    await members.beat('a', 'acme');
    await members.leave('a');
    expect(await live()).toEqual({ acme: 0 });
    await members.forget();
    expect(await live()).toEqual({ acme: 0 });
    await silent('a', 25 * 3_600_000);
    await members.forget();
    expect(await live()).toEqual({});
  });
});

describe('a process', () => {
  /** One that is built and started as a service is. */
  function process(introduce?: () => Promise<void>) {
    const around = { pool: 'acme', readiness: new ReadinessChecks(), shutdown: new Shutdown(), log };
    const starts: (() => void)[] = [];
    servePool(around, { onStart: (start) => starts.push(start) }, members, introduce);
    return { ...around, start: () => starts.forEach((start) => start()), stop: () => around.shutdown.run(log, 1000) };
  }

  test('serves its pool from when it is ready until it is told to go', async () => {
    const one = process();
    let isAssigned = false;
    const asked: boolean[] = [];
    one.readiness.add(() => {
      asked.push(isAssigned);
      return isAssigned ? [] : [{ state: 'unready', reason: 'consumers are not assigned yet' }];
    });
    one.start();
    await waitFor(() => asked.length > 0);
    expect(await live()).toEqual({});
    isAssigned = true;
    await waitFor(async () => (await live())['acme'] === 1);
    await one.stop();
    expect(await live()).toEqual({ acme: 0 });
  });

  test('introduces itself before it counts, and once', async () => {
    const countedBefore: unknown[] = [];
    let isAway = true;
    const one = process(async () => {
      if (isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
      countedBefore.push(await live());
    });
    one.start();
    expect(await live()).toEqual({});
    isAway = false;
    await waitFor(async () => (await live())['acme'] === 1);
    await one.stop();
    expect(countedBefore).toEqual([{}]);
  });
});
