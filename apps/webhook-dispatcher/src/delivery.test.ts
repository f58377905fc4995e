import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { endpointOf, eventOf, judge, laneOf } from './delivery.ts';

const failed = { status: 500, errorCode: 'http_status', errorMessage: 'the endpoint answered with status 500', retryAfterMs: null };
const delivered = { status: 200, errorCode: null, errorMessage: null, retryAfterMs: null };
const schedule = [5, 30, 120];

describe('after an attempt', () => {
  test('that was answered with 2xx the delivery is delivered, whichever attempt it was', () => {
    for (const attempt of [1, 3, 4, 9]) expect(judge(delivered, attempt, schedule)).toStrictEqual({ status: 'delivered', delayMs: 0, errorCode: null, errorMessage: null });
  });

  test.each([
    [1, 5000],
    [2, 30_000],
    [3, 120_000],
  ])('number %i that failed the next one follows after its own entry of the schedule', (attempt, delayMs) => {
    expect(judge(failed, attempt, schedule, 0.5)).toStrictEqual({ status: 'pending', delayMs, errorCode: 'http_status', errorMessage: failed.errorMessage });
  });

  test('that failed after the last retry the delivery is dead, and says why', () => {
    expect(judge(failed, 4, schedule)).toStrictEqual({ status: 'dead', delayMs: 0, errorCode: 'http_status', errorMessage: failed.errorMessage });
    expect(judge({ ...failed, retryAfterMs: 1000 }, 4, schedule).status).toBe('dead');
  });

  test('the delay is spread by no more than a fifth', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 1, max: 3 }), (random, attempt) => {
        const seconds = schedule[attempt - 1] as number;
        const { delayMs } = judge(failed, attempt, schedule, random);
        return delayMs >= seconds * 800 && delayMs <= seconds * 1200;
      }),
    );
    expect(judge(failed, 1, schedule, 0).delayMs).not.toBe(judge(failed, 1, schedule, 0.9).delayMs);
  });

  test('a Retry-After that is later than the schedule wins, an earlier one does not', () => {
    expect(judge({ ...failed, retryAfterMs: 60_000 }, 1, schedule, 0.5).delayMs).toBe(60_000);
    expect(judge({ ...failed, retryAfterMs: 1000 }, 1, schedule, 0.5).delayMs).toBe(5000);
  });

  test('that was answered with 410 the delivery is dead at once, whatever retries are left', () => {
    expect(judge({ ...failed, status: 410, retryAfterMs: 1000 }, 1, schedule)).toStrictEqual({ status: 'dead', delayMs: 0, gone: true, errorCode: 'http_status', errorMessage: failed.errorMessage });
  });

  test.each([
    [429, 60_000, 60_000],
    [429, 86_400_000, 300_000],
    [429, null, undefined],
    [503, 60_000, undefined],
  ])('with status %i and Retry-After %s ms the whole lane waits for %s ms', (status, retryAfterMs, laneDelayMs) => {
    expect(judge({ ...failed, status, retryAfterMs }, 1, schedule).laneDelayMs).toBe(laneDelayMs);
    expect(judge({ ...failed, status, retryAfterMs }, 4, schedule)).toMatchObject({ status: 'dead', ...(laneDelayMs !== undefined && { laneDelayMs }) });
  });
});

test.each([
  ['succeeded', 'job.succeeded'],
  ['failed', 'job.failed'],
  ['timed_out', 'job.failed'],
  ['canceled', 'job.canceled'],
] as const)('a run that ended %s is announced as %s', (status, event) => {
  expect(eventOf(status)).toBe(event);
});

test.each(['queued', 'running'] as const)('a run that is %s is not announced', (status) => {
  expect(() => eventOf(status)).toThrow(/has not ended/);
});

describe('a lane', () => {
  test('is the same for one endpoint whatever its query, credentials and spelling', () => {
    expect(endpointOf('https://user:secret@Example.com:443/hook?token=1#x')).toBe('https://example.com/hook');
  });

  test('differs by organisation and by endpoint', () => {
    const lanes = [laneOf('org_1', 'https://a/x'), laneOf('org_2', 'https://a/x'), laneOf('org_1', 'https://a/y')];
    expect(new Set(lanes).size).toBe(3);
  });

  test('fits an index, however long the address is', () => {
    expect(laneOf('org_1', endpointOf(`https://a/${'€'.repeat(2000)}`)).length).toBeLessThanOrEqual(512);
  });
});
