import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Database } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { SHARED, workStage } from './work.ts';

let on: Awaited<ReturnType<typeof workStage>>;

beforeAll(async () => void (on = await workStage()));
afterEach(() => on.clear());
afterAll(() => on.close());

/** Rows of an owner, each in a lane of its own. */
const rowsOf = (owner: string, count: number) => Array.from({ length: count }, (_, index) => ({ id: `${owner}${String(index).padStart(4, '0')}`, lane: `${owner} ${String(index).padStart(4, '0')}` }));
const count = (ids: readonly string[], owner: string) => ids.filter((id) => id.startsWith(owner)).length;

describe('owners of lanes', () => {
  test('hold three quarters of the slots alone, however many lanes they have, and the rest is free for whoever comes', async () => {
    await on.put(rowsOf('a', 40));
    const one = on.worker({ slots: 16, table: SHARED });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 12);
    // All that a claim may take is taken: the next one asks in vain.
    await on.put(rowsOf('b', 2));
    one.worker.wake();
    await waitFor(() => count(one.ids(), 'b') === 2);
    expect(count(one.ids(), 'a')).toBe(12);
  });

  test('that come at once share evenly, and leave some for a third', async () => {
    await on.put([...rowsOf('a', 40), ...rowsOf('b', 40)]);
    const one = on.worker({ slots: 14, table: SHARED });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 12);
    expect([count(one.ids(), 'a'), count(one.ids(), 'b')]).toEqual([6, 6]);
    await on.put(rowsOf('c', 1));
    one.worker.wake();
    await waitFor(() => count(one.ids(), 'c') === 1);
  });

  test('that wait for their share go on as their rows end', async () => {
    await on.put(rowsOf('a', 9));
    const one = on.worker({ slots: 4, table: SHARED });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 3);
    for (let ended = 0; ended < 9; ended += 1) {
      one.end(one.ids()[ended]!);
      await waitFor(() => one.began.length === Math.min(9, ended + 4));
    }
    expect(new Set(one.ids()).size).toBe(9);
  });

  test('get the only slot there is', async () => {
    await on.put(rowsOf('a', 2));
    const one = on.worker({ slots: 1, table: SHARED, hold: false });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 2);
    expect(one.ids()).toEqual(['a0000', 'a0001']);
  });

  test('that have had theirs are passed over in one step, though hundreds of their lanes come first', async () => {
    let claims = 0;
    const query: Database['query'] = (asked, params) => {
      claims += Number(asked.name.endsWith('.claim'));
      return on.db.query(asked, params);
    };
    await on.put(rowsOf('a', 500));
    const one = on.worker({ slots: 8, table: SHARED, on: { ...on.db, query } });
    one.worker.startLoop();
    await waitFor(() => one.began.length === 6);
    await on.put(rowsOf('b', 1));
    claims = 0;
    one.worker.wake();
    await waitFor(() => count(one.ids(), 'b') === 1);
    expect(claims).toBeLessThanOrEqual(4);
  });
});
