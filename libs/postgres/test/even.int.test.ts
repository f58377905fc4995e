import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Database } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { TABLE, workStage } from './work.ts';

let on: Awaited<ReturnType<typeof workStage>>;

beforeAll(async () => void (on = await workStage()));
afterEach(async () => {
  jest.restoreAllMocks();
  await on.clear();
});
afterAll(() => on.close());

const SLOTS = 32;
const rowsOf = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => ({ id: `${prefix}${String(index).padStart(3, '0')}` }));

/** A worker that has held all of its slots for two seconds, as far as it knows, and holds nothing now; `claims` is how many rows each claim has taken since, and how long after the answer to the one before it came, and `meanwhile` is called before each answer. */
async function workerOfLongRows({ evenly }: { evenly: boolean }) {
  let passedMs = 0;
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
  const claims: { rows: number; afterMs: number }[] = [];
  let answeredMs = -Infinity;
  const meanwhile = jest.fn();
  const query: Database['query'] = async (asked, params) => {
    if (asked.name !== `${TABLE.name}.claim`) return on.db.query<never>(asked, params);
    const afterMs = now() - answeredMs;
    const rows = await on.db.query<never>(asked, params);
    meanwhile();
    await new Promise(setImmediate);
    answeredMs = now();
    claims.push({ rows: rows.filter(({ id }) => id !== null).length, afterMs });
    return rows;
  };
  await on.put(rowsOf('first', SLOTS));
  const one = on.worker({ slots: SLOTS, laneMax: 2 * SLOTS, evenly, on: { ...on.db, query } });
  one.worker.startLoop();
  await waitFor(() => one.began.length === SLOTS);
  passedMs += 2000;
  one.ids().forEach(one.end);
  await waitFor(async () => (await on.rows()).every(({ due }) => due === null));
  // It gives slots on arrival again: its last look has found nothing.
  await waitFor(() => {
    const granted = one.worker.reserve(SLOTS);
    one.worker.start([], granted);
    return granted === SLOTS;
  });
  claims.length = 0;
  return { ...one, claims, meanwhile };
}

describe('a worker whose rows are held for long', () => {
  test('takes up what waits a few rows at a time, lets nobody jump the queue meanwhile, and uses all of its slots', async () => {
    const { worker, began, claims, meanwhile, ids } = await workerOfLongRows({ evenly: true });
    // Some are let go while a claim is on its way, which is no reason for the next one to come sooner.
    meanwhile.mockImplementation(() => ids().slice(SLOTS, SLOTS + 6).forEach((id) => worker.abort(id, 'let go')));
    await on.put(rowsOf('next', 2 * SLOTS));
    worker.wake();
    await waitFor(() => claims.length > 0);
    const granted = worker.reserve(1);
    await waitFor(() => began.length === 2 * SLOTS + 6);
    expect({ most: Math.max(...claims.map(({ rows }) => rows)), granted }).toEqual({ most: SLOTS / 16, granted: 0 });
    expect(Math.min(...claims.slice(1).map(({ afterMs }) => afterMs))).toBeGreaterThan(50);
  });

  test('takes up all at once where it is not asked to be even', async () => {
    const { worker, began, claims } = await workerOfLongRows({ evenly: false });
    await on.put(rowsOf('next', 2 * SLOTS));
    worker.wake();
    await waitFor(() => began.length === 2 * SLOTS);
    expect(claims[0]?.rows).toBe(SLOTS);
  });
});
