import { describe, expect, test } from '@jest/globals';
import { Pace } from './pace.ts';

const SLOTS = 256;

/** A pace that has seen many rows of that length. */
function paceOf(heldMs: number): Pace {
  const pace = new Pace(SLOTS);
  for (let row = 0; row < 200; row += 1) pace.ended(heldMs);
  return pace;
}

describe('the pace of a worker', () => {
  test.each([0, 10, 400])('does not hold up rows of %d ms', (heldMs) => {
    const pace = paceOf(heldMs);
    pace.claimed(true, 1000);
    expect([pace.most, pace.waitMs(1000), pace.isSpreading]).toEqual([SLOTS, 0, false]);
  });

  test.each([600, 2000, 60_000])('spreads rows of %d ms, and never so far that slots stay empty', (heldMs) => {
    const pace = paceOf(heldMs);
    pace.claimed(true, 1000);
    const [most, pauseMs] = [pace.most, pace.waitMs(1000)];
    expect(most).toBeLessThan(SLOTS / 10);
    expect(pauseMs).toBeGreaterThan(20);
    expect(pauseMs).toBeLessThanOrEqual(100);
    // Slots that hold rows for so long are free again no faster than this.
    expect((most / pauseMs) * heldMs).toBeGreaterThan(SLOTS * 1.1);
    expect([pace.waitMs(1000 + pauseMs / 2), pace.waitMs(1000 + pauseMs)]).toEqual([pauseMs / 2, 0]);
  });

  test('waits for nothing when the last claim has found less than it asked for', () => {
    const pace = paceOf(2000);
    pace.claimed(true, 1000);
    expect(pace.isSpreading).toBe(true);
    pace.claimed(false, 1001);
    expect([pace.waitMs(1001), pace.isSpreading]).toEqual([0, false]);
  });

  test('goes by what it has seen last', () => {
    const pace = paceOf(60_000);
    for (let row = 0; row < 100; row += 1) pace.ended(5);
    expect(pace.most).toBe(SLOTS);
    for (let row = 0; row < 100; row += 1) pace.ended(2000);
    expect(pace.most).toBe(SLOTS / 16);
  });
});
