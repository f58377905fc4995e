import { describe, expect, test } from '@jest/globals';
import { waitFor } from './wait-for.ts';

describe('waitFor', () => {
  test('returns the first truthy value', async () => {
    let count = 0;
    await expect(waitFor(() => (++count >= 3 ? count : undefined))).resolves.toBe(3);
  });

  test('takes an error for not yet', async () => {
    let count = 0;
    const settled = await waitFor(() => {
      if (++count < 3) throw new Error('too early');
      return 'there';
    });
    expect(settled).toBe('there');
  });

  test('tells what it waited for and the last value', async () => {
    const waiting = waitFor(() => 0, { timeoutMs: 20, describe: 'the delivery' });
    await expect(waiting).rejects.toThrow('the delivery did not come true in 20 ms; last: 0');
  });

  test('keeps the last error as the cause', async () => {
    const reason = new Error('refused');
    await expect(waitFor(() => Promise.reject(reason), { timeoutMs: 1 })).rejects.toMatchObject({ cause: reason });
  });
});
