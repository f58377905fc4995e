import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { metrics } from '@nightshift/runtime';
import { Gate } from './upstream.gate.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const isOpen = async (): Promise<number | undefined> => (await metrics.upstreamOpen.get()).values.find(({ labels }) => labels.upstream === 'main')?.value;

test('an upstream is measured as left alone while it is, and no longer when nobody asks for it', async () => {
  const gate = new Gate('main', { concurrency: 1, requestsPerMinute: undefined, tokensPerMinute: undefined, breaker: { failures: 1, openMs: 1000 } });
  const fail = (): void => {
    const place = gate.enter(1);
    if ('reason' in place) throw new Error(place.reason);
    place.leave('failed');
  };
  fail();
  expect(await isOpen()).toBe(1);
  // Who goes on asking keeps it open.
  for (let minute = 0; minute < 3; minute += 1) {
    jest.advanceTimersByTime(50_000);
    fail();
  }
  jest.advanceTimersByTime(50_000);
  expect(await isOpen()).toBe(1);
  jest.advanceTimersByTime(11_000);
  expect(await isOpen()).toBe(0);
  gate.close();
});
