import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Database, statement, waitingStatement } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { LEASE_MS, TABLE, workStage } from './work.ts';

let on: Awaited<ReturnType<typeof workStage>>;

beforeAll(async () => void (on = await workStage()));
afterEach(() => on.clear());
afterAll(() => on.close());

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`);

/** The same database, counting what is asked of it. */
function counting(db: Database) {
  const counts = new Map<string, number>();
  const query: Database['query'] = (asked, params) => {
    counts.set(asked.name, (counts.get(asked.name) ?? 0) + 1);
    return db.query(asked, params);
  };
  return { db: { ...db, query }, count: (name: string) => counts.get(name) ?? 0 };
}

describe('a worker', () => {
  test('runs what is due, and nothing else', async () => {
    await on.put([{ id: 'due' }, { id: 'later', dueInMs: 60_000 }, { id: 'held', leaseInMs: 60_000 }, { id: 'elsewhere', pool: 'acme' }]);
    const one = on.worker({ hold: false });
    one.worker.startLoop();
    await waitFor(async () => (await on.rows()).some(({ id, due }) => id === 'due' && due === null));
    expect(one.ids()).toEqual(['due']);
    expect(one.began[0]).toMatchObject({ epoch: 1, attempts: 1, lane: 'a', note: null, queueAgeMs: expect.any(Number) });
  });

  test('takes only rows of its own pool, be they due, abandoned or announced, and leaves another’s to wait', async () => {
    await on.put([{ id: 'due', pool: 'acme' }, { id: 'abandoned', pool: 'acme', leaseInMs: -60_000, attempts: 1 }, ...ids('s', 3).map((id) => ({ id }))]);
    const shared = on.worker({ hold: false });
    shared.worker.startLoop();
    await waitFor(() => shared.began.length === 3);
    await waitFor(async () => (await on.rows()).every(({ id, due }) => !id.startsWith('s') || due === null));
    const acme = on.worker({ pool: 'acme', hold: false });
    acme.worker.startLoop();
    await waitFor(() => acme.began.length === 2);
    expect([shared.ids().toSorted(), acme.ids().toSorted()]).toEqual([ids('s', 3), ['abandoned', 'due']]);
  });

  test('never runs a row that another one runs', async () => {
    await on.put(ids('r', 200).map((id, index) => ({ id, lane: `lane ${index % 7}` })));
    const workers = [1, 2, 3, 4].map(() => on.worker({ slots: 20 }));
    for (const { worker } of workers) worker.startLoop();
    const began = () => workers.flatMap((one) => one.ids());
    await waitFor(() => workers.every((one) => one.began.length === 20));
    for (const ended = new Set<string>(); ended.size < 200;) {
      await waitFor(() => began().some((id) => !ended.has(id)));
      for (const id of began()) {
        ended.add(id);
        workers.forEach((one) => one.end(id));
      }
    }
    await waitFor(async () => (await on.rows()).every(({ due }) => due === null));
    expect(began()).toHaveLength(200);
    expect(new Set(began()).size).toBe(200);
  });

  test('holds no more rows than it has slots, and takes the next as soon as one ends', async () => {
    await on.put(ids('r', 5).map((id) => ({ id })));
    const one = on.worker({ slots: 2 });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 2);
    expect((await on.rows()).filter(({ held }) => held)).toHaveLength(2);
    one.end(one.ids()[0]!);
    await waitFor(() => one.began.length === 3, { timeoutMs: 500 });
  });

  test('takes a row whose lease has expired, and counts the attempt', async () => {
    await on.put([{ id: 'lost', leaseInMs: -1, attempts: 2 }, { id: 'waiting' }]);
    const one = on.worker({ slots: 1 });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    expect(one.began[0]).toMatchObject({ id: 'lost', attempts: 3, epoch: 3 });
  });

  test('keeps the lease of a long run alive, also when it has expired and nobody took it', async () => {
    await on.put([{ id: 'long' }]);
    const one = on.worker();
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    await on.sql("update app.work set lease_until = now() - interval '1 ms'");
    await waitFor(async () => (await on.rows())[0]!.leaseMs! > LEASE_MS / 2, { timeoutMs: 3000 });
    expect(one.aborted).toEqual([]);
    expect(on.seen.lost).toEqual([]);
  });

  test('aborts a run whose row another one has taken, and its commit is fenced', async () => {
    await on.put([{ id: 'stolen' }]);
    const one = on.worker();
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    await on.sql("update app.work set epoch = epoch + 1, lease_until = now() + interval '1 minute'");
    expect(await on.commit(one.began[0]!)).toBe(false);
    await waitFor(() => one.aborted.length === 1, { timeoutMs: 3000 });
    expect([one.aborted, on.seen.lost]).toEqual([['stolen: lease lost'], ['stolen']]);
  });

  test('aborts a row that was stopped, and only that', async () => {
    await on.put([{ id: 'stopped' }, { id: 'other' }]);
    const one = on.worker();
    one.worker.startLoop();
    await waitFor(() => one.began.length === 2);
    one.worker.abort('stopped', 'canceled');
    one.worker.abort('unknown', 'canceled');
    expect(one.aborted).toEqual(['stopped: canceled']);
  });

  test('goes on after a run that throws, whose row comes back when its lease is over', async () => {
    await on.put([{ id: 'r' }]);
    const one = on.worker({ leaseMs: 1 });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    one.worker.abort('r', 'thrown away');
    await waitFor(() => one.began.length === 2, { timeoutMs: 3000 });
    expect(one.began.map(({ attempts }) => attempts)).toEqual([1, 2]);
  });
});

describe('lanes', () => {
  test('count what is held of them, also by a worker that is gone, until somebody has taken it over', async () => {
    await on.put([{ id: 'lost', lane: 'a', leaseInMs: -1000 }, { id: 'next', lane: 'a' }, { id: 'other', lane: 'b' }]);
    const one = on.worker({ slots: 10, laneMax: 1 });
    one.worker.startLoop();
    await waitFor(() => one.began.length >= 2);
    expect(one.began.map(({ id }) => id).sort()).toEqual(['lost', 'other']);
  });

  test('are served in turn: a row does not wait for the many of another lane', async () => {
    await on.put(ids('big', 500).map((id) => ({ id, lane: 'big', dueInMs: -60_000 })));
    await on.put([{ id: 'small', lane: 'small' }]);
    const one = on.worker({ slots: 4 });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 4);
    expect(one.ids()).toContain('small');
  });

  test('hold no more than their share, over all workers', async () => {
    await on.put(ids('a', 20).map((id) => ({ id, lane: 'a' })));
    await on.put(ids('b', 20).map((id) => ({ id, lane: 'b' })));
    const workers = [on.worker({ slots: 20, laneMax: 3 }), on.worker({ slots: 20, laneMax: 3 })];
    workers[0]!.worker.startLoop();
    await waitFor(() => workers[0]!.began.length === 6);
    workers[1]!.worker.startLoop();
    await waitFor(async () => (await on.rows()).filter(({ held }) => held).length >= 6);
    workers[1]!.worker.wake();
    expect(Object.entries(Object.groupBy(workers.flatMap((one) => one.began), ({ lane }) => lane)).map(([lane, rows]) => [lane, rows?.length])).toEqual([['a', 3], ['b', 3]]);
  });

  test('are all reached, however many there are', async () => {
    await on.put(ids('r', 150).map((id) => ({ id, lane: id })));
    const one = on.worker({ slots: 10, hold: false });
    one.worker.startLoop();
    await waitFor(() => one.began.length >= 150);
    expect(new Set(one.ids()).size).toBe(150);
  });

  test('whose rows are due later cost a look now and then, not a stream of statements', async () => {
    await on.put(ids('r', 150).map((id) => ({ id, lane: id, dueInMs: 60_000 })));
    await on.put([{ id: 'zz', lane: 'zz' }]);
    const { db, count } = counting(on.db);
    const one = on.worker({ on: db, hold: false });
    one.worker.startLoop();
    await waitFor(() => one.ids().includes('zz'));
    await waitFor(async () => (await on.rows()).at(-1)!.due === null);
    for (let round = 0; round < 400; round += 1) await on.sql('select 1');
    expect(count('app.work.claim')).toBeLessThan(30);
  });
});

describe('a reservation', () => {
  test('gives the free slots while nothing waits, and a row written as claimed runs at once', async () => {
    const one = on.worker({ slots: 3 });
    expect(one.worker.reserve(1)).toBe(0);
    one.worker.startLoop();
    await waitFor(() => one.worker.reserve(0) === 0 && one.worker.reserve(5) === 3);
    expect(one.worker.reserve(1)).toBe(0);
    await on.put([{ id: 'r', leaseInMs: LEASE_MS, attempts: 1 }]);
    one.worker.start([{ id: 'r', epoch: 1, attempts: 1, lane: 'a', queueAgeMs: 0, note: null }], 3);
    expect(one.ids()).toEqual(['r']);
    expect(one.worker.reserve(5)).toBe(2);
    one.worker.start([], 2);
  });

  test('gives nothing while rows wait, so that nobody jumps the queue', async () => {
    await on.put(ids('r', 5).map((id) => ({ id })));
    const one = on.worker({ slots: 2 });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 2);
    expect(one.worker.reserve(1)).toBe(0);
  });
});

describe('a drain', () => {
  test('claims nothing more and waits for what runs', async () => {
    await on.put(ids('r', 3).map((id) => ({ id })));
    const one = on.worker({ slots: 1 });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    const drained = one.worker.drain(new AbortController().signal);
    one.end('r000');
    await drained;
    expect(one.began).toHaveLength(1);
    expect(await on.rows()).toMatchObject([{ id: 'r000', due: null }, { held: false, due: true, attempts: 0 }, { held: false, due: true, attempts: 0 }]);
  });

  test('in a hurry hands back what runs, and another one has it at once without an attempt spent', async () => {
    await on.put([{ id: 'r' }]);
    const one = on.worker();
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    const hurry = new AbortController();
    const drained = one.worker.drain(hurry.signal);
    hurry.abort();
    await drained;
    expect(one.aborted).toEqual(['r: draining']);
    expect(await on.rows()).toMatchObject([{ held: false, due: true, attempts: 0, epoch: 1 }]);
    const other = on.worker();
    other.worker.startLoop();
    await waitFor(() => other.began.length === 1);
    expect(other.began[0]).toMatchObject({ attempts: 1, epoch: 2 });
    expect(await on.commit(one.began[0]!)).toBe(false);
  });

  test('gives a row its place in line back', async () => {
    const dueAt = () => on.db.query(statement('test.due_at', 'select due_at::text from app.work'));
    await on.put([{ id: 'r', dueInMs: -60_000 }]);
    const before = await dueAt();
    const one = on.worker();
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    await one.worker.drain(AbortSignal.abort());
    expect(await on.rows()).toMatchObject([{ held: false, attempts: 0 }]);
    expect(await dueAt()).toEqual(before);
  });

  test('leaves a row alone that was committed in the hurry', async () => {
    await on.put([{ id: 'r' }]);
    const one = on.worker();
    one.worker.startLoop();
    await waitFor(() => one.began.length === 1);
    await on.commit(one.began[0]!);
    await one.worker.drain(AbortSignal.abort());
    expect(await on.rows()).toMatchObject([{ held: false, due: null, attempts: 0 }]);
  });
});

test('a worker outlives a database that is away', async () => {
  await on.put([{ id: 'r' }]);
  let isAway = true;
  const away = Object.assign(new Error('terminating connection'), { code: '57P01' });
  const query: Database['query'] = (asked, params) => (isAway && asked.name === 'app.work.claim' ? Promise.reject(away) : on.db.query(asked, params));
  const one = on.worker({ on: { ...on.db, query }, hold: false });
  one.worker.startLoop();
  await waitFor(() => on.seen.trouble.length > 0);
  expect(on.seen.trouble[0]).toBe(away);
  isAway = false;
  await waitFor(() => one.began.length === 1, { timeoutMs: 3000 });
  expect(await on.db.query(statement('test.one', 'select 1 as one'))).toEqual([{ one: 1 }]);
});

test('what waits is told by pool, up to 10,000 rows of each, and for how long the oldest has', async () => {
  await on.put([...ids('s', 10_002).map((id) => ({ id })), { id: 'old', pool: 'acme', dueInMs: -60_000 }, { id: 'new', pool: 'acme' }, { id: 'held', pool: 'acme', leaseInMs: 60_000 }, { id: 'later', pool: 'later', dueInMs: 60_000 }]);
  const rows = await on.db.query<{ pool: string; count: number; oldestSeconds: number }>(waitingStatement(TABLE));
  expect(rows.map(({ pool, count }) => [pool, count])).toEqual([['acme', 2], ['later', 0], ['shared', 10_000]]);
  expect(rows[0]?.oldestSeconds).toBeGreaterThanOrEqual(60);
});
