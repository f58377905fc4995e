import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { flusher } from './flush.ts';

class Down extends Error {
  readonly code = '57P01';
}

/** A write whose statements end when the test says so. */
function gated() {
  const statements: { rows: readonly number[]; end: (err?: Error) => void }[] = [];
  const write = (rows: readonly number[]): Promise<number[]> =>
    new Promise((resolve, reject) => statements.push({ rows, end: (err) => (err ? reject(err) : resolve(rows.map((row) => row * 10))) }));
  return { statements, write };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a flusher', () => {
  test('writes a lone row at once', async () => {
    const { statements, write } = gated();
    const done = flusher(write)(1);
    await settle();
    expect(statements.map(({ rows }) => rows)).toEqual([[1]]);
    statements[0]!.end();
    expect(await done).toBe(10);
  });

  test('has at most one statement in flight, and puts what gathers meanwhile and a moment longer into the next', async () => {
    const { statements, write } = gated();
    const put = flusher(write);
    const first = [put(1), put(2)];
    await settle();
    const second = [put(3), put(4)];
    await settle();
    expect(statements.map(({ rows }) => rows)).toEqual([[1, 2]]);
    statements[0]!.end();
    expect(await Promise.all(first)).toEqual([10, 20]);
    second.push(put(5));
    expect(statements).toHaveLength(1);
    while (statements.length === 1) await settle();
    expect(statements.map(({ rows }) => rows)).toEqual([[1, 2], [3, 4, 5]]);
    statements[1]!.end();
    expect(await Promise.all(second)).toEqual([30, 40, 50]);
  });

  test('puts no more rows into a statement than it may', async () => {
    const sizes: number[] = [];
    const put = flusher<number>((rows) => {
      sizes.push(rows.length);
      return Promise.resolve(rows.map(() => undefined));
    }, 3);
    await Promise.all([1, 2, 3, 4, 5, 6, 7].map((row) => put(row)));
    expect(sizes).toEqual([3, 3, 1]);
  });

  test('tries the rows of a failed batch one by one, so that a bad row hurts only itself', async () => {
    const statements: (readonly number[])[] = [];
    const put = flusher<number, string>((rows) => {
      statements.push(rows);
      return rows.includes(2) ? Promise.reject(new Error('2 is bad')) : Promise.resolve(rows.map((row) => `wrote ${row}`));
    });
    const results = await Promise.allSettled([put(1), put(2), put(3)]);
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : (result.reason as Error).message))).toEqual(['wrote 1', '2 is bad', 'wrote 3']);
    expect(statements).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  test('gives a batch back whole when the database is the trouble', async () => {
    const statements: (readonly number[])[] = [];
    const put = flusher<number>((rows) => {
      statements.push(rows);
      return Promise.reject(new Down('terminating connection'));
    });
    const results = await Promise.allSettled([put(1), put(2)]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(statements).toEqual([[1, 2]]);
  });

  test('goes on after a write that throws instead of rejecting', async () => {
    let calls = 0;
    const put = flusher<number, number>((rows) => {
      calls += 1;
      if (calls === 1) throw new Error('thrown');
      return Promise.resolve(rows);
    });
    await expect(put(1)).rejects.toThrow('thrown');
    expect(await put(2)).toBe(2);
  });

  test('answers every caller with the outcome of its own row, whatever comes when', async () => {
    const rows = fc.array(fc.record({ bad: fc.boolean(), after: fc.nat(3) }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 5 }), async (given, rowsMax) => {
        const written: number[] = [];
        const put = flusher<number, number>(async (batch) => {
          await settle();
          if (batch.some((row) => given[row]!.bad)) throw new Error('bad');
          written.push(...batch);
          return batch;
        }, rowsMax);
        const results: Promise<PromiseSettledResult<number>[]>[] = [];
        for (const [row, { after }] of given.entries()) {
          for (let tick = 0; tick < after; tick += 1) await settle();
          results.push(Promise.allSettled([put(row)]));
        }
        const outcomes = (await Promise.all(results)).flat();
        expect(outcomes.map((outcome) => outcome.status === 'rejected')).toEqual(given.map(({ bad }) => bad));
        expect(outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))).toEqual(given.flatMap(({ bad }, row) => (bad ? [] : [row])));
        expect(written.toSorted((a, b) => a - b)).toEqual(given.flatMap(({ bad }, row) => (bad ? [] : [row])));
      }),
      { numRuns: 30 },
    );
  });
});
