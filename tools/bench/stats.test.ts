import { describe, expect, test } from '@jest/globals';
import { meanOpen, quantile, spread } from './stats.ts';

describe('the figures of the benchmark', () => {
  test('are the nearest ranks, whatever the order', () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect(spread(values)).toEqual({ count: 200, p50: 100, p99: 198, max: 200 });
    expect(quantile([5], 0.01)).toBe(5);
    expect(quantile([], 0.5)).toBeNaN();
  });

  test('count what was open on average within the window only', () => {
    expect(meanOpen([{ from: 0, to: 100 }, { from: 50, to: 60 }], 50, 100)).toBeCloseTo(1.2);
    expect(meanOpen([{ from: 0, to: 10 }], 50, 100)).toBe(0);
  });
});
