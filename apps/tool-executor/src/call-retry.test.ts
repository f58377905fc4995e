import { describe, expect, test } from '@jest/globals';
import { retryDelayMs, type TryEnd } from './call-retry.ts';

const answered = (status: number, retryAfterMs: number | null = null): TryEnd => ({ status, isUnsent: false, retryAfterMs });
const unsent: TryEnd = { status: null, isUnsent: true, retryAfterMs: null };
const broken: TryEnd = { status: null, isUnsent: false, retryAfterMs: null };
const safe = { retry: 'safe', leftMs: 30_000 } as const;
const never = { retry: 'never', leftMs: 30_000 } as const;

describe('another try', () => {
  test('is made of a call that was not sent or came at a busy time, three times, later each time', () => {
    for (const end of [unsent, answered(429), answered(503)]) expect([1, 2, 3, 4].map((tries) => retryDelayMs(end, tries, safe, 0.5))).toEqual([200, 400, 800, null]);
  });

  test.each([200, 204, 302, 400, 404, 408, 500, 502, 504])('is not made of a call that was answered with %i', (status) => {
    expect(retryDelayMs(answered(status), 1, safe)).toBeNull();
  });

  test('is not made of a call whose connection broke: it may have taken effect', () => {
    expect(retryDelayMs(broken, 1, safe)).toBeNull();
  });

  test('of a call that must not be repeated is made only if nothing was sent', () => {
    expect([unsent, answered(429), answered(503), broken].map((end) => retryDelayMs(end, 1, never, 0.5))).toEqual([200, null, null, null]);
  });

  test('waits as long as the tool asks for, if there is so much time left', () => {
    expect(retryDelayMs(answered(429, 3000), 1, safe)).toBe(3000);
    expect(retryDelayMs(answered(429, 0), 1, safe, 0.5)).toBe(200);
    expect(retryDelayMs(answered(503, 30_000), 1, safe)).toBeNull();
    expect(retryDelayMs(unsent, 1, { retry: 'safe', leftMs: 150 })).toBeNull();
  });
});
