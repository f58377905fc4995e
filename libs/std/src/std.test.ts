import { describe, expect, test } from '@jest/globals';
import { backoffMs, mapLimited, newId } from './index.ts';

describe('ids', () => {
  test('sort by the millisecond they were made in and never repeat', () => {
    const ids = Array.from({ length: 2000 }, (_, ms) => newId('run', 1_700_000_000_000 + ms));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(Array.from({ length: 2000 }, () => newId('run', 1))).size).toBe(2000);
  });

  test('are version 7 UUIDs without dashes', () => {
    expect(newId('org')).toMatch(/^org_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  });
});

describe('backoff', () => {
  test('doubles, is spread by a fifth either way and stays below its bound', () => {
    const backoff = { firstMs: 100, maxMs: 1000 };
    expect([1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(backoff, attempt, 0.5))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(backoffMs(backoff, 1, 0)).toBe(80);
    expect(backoffMs(backoff, 1, 1)).toBe(120);
  });
});

describe('limited mapping', () => {
  test('answers in order, with no more under way than allowed, and rejects with the first failure', async () => {
    let underWay = 0;
    let most = 0;
    const work = async (n: number): Promise<number> => {
      most = Math.max(most, ++underWay);
      await Promise.resolve();
      underWay -= 1;
      return n * 2;
    };
    expect(await mapLimited([1, 2, 3, 4, 5], 2, work)).toEqual([2, 4, 6, 8, 10]);
    expect(most).toBe(2);
    await expect(mapLimited([1], 2, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
