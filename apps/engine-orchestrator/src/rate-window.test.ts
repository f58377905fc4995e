import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RateWindow } from './rate-window.ts';

test('a window lets through what fits, and says when the rest will', () => {
  const window = new RateWindow(3, 1000);
  for (const at of [0, 100, 200]) {
    expect(window.waitMs(1, at)).toBe(0);
    window.take(1, at);
  }
  expect([window.waitMs(1, 300), window.waitMs(2, 300), window.waitMs(1, 999)]).toEqual([700, 800, 1]);
  expect(window.waitMs(1, 1000)).toBe(0);
});

test('what is more than the window holds goes through alone', () => {
  const window = new RateWindow(10, 1000);
  expect(window.waitMs(25, 0)).toBe(0);
  window.take(25, 0);
  expect([window.waitMs(1, 10), window.waitMs(25, 999), window.waitMs(25, 1000)]).toEqual([990, 1, 0]);
});

test('a cost that was estimated is set right', () => {
  const window = new RateWindow(10, 1000);
  const correct = window.take(8, 0);
  expect(window.waitMs(5, 1)).toBe(999);
  correct(2);
  expect(window.waitMs(5, 1)).toBe(0);
  correct(10);
  expect(window.waitMs(5, 1)).toBe(999);
});

test('no window of time ever holds more than its limit, and who waits as long as told gets through', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ cost: fc.integer({ min: 1, max: 10 }), later: fc.nat(400) }), { maxLength: 80 }), (asks) => {
      const window = new RateWindow(10, 1000);
      const taken: { at: number; cost: number }[] = [];
      let now = 0;
      for (const { cost, later } of asks) {
        now += later;
        now += window.waitMs(cost, now);
        expect(window.waitMs(cost, now)).toBe(0);
        window.take(cost, now);
        taken.push({ at: now, cost });
      }
      for (const { at: from } of taken) {
        const sum = taken.filter(({ at }) => at >= from && at < from + 1000).reduce((total, { cost }) => total + cost, 0);
        expect(sum).toBeLessThanOrEqual(10);
      }
    }),
  );
});
