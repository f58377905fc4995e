import { expect, test } from '@jest/globals';
import { limitsOf, tooMany } from './rate-limit.ts';

test('an organisation’s own limits stand before the operator’s defaults, each for itself, and a key’s beside them', () => {
  const defaults = { rpm: 100, tpm: 1000 };
  expect(limitsOf({ rateLimits: { org: {}, key: {} } }, defaults)).toEqual({ org: defaults, key: {} });
  expect(limitsOf({ rateLimits: { org: { rpm: 500 }, key: { rpm: 5 } } }, defaults)).toEqual({ org: { rpm: 500, tpm: 1000 }, key: { rpm: 5 } });
  expect(limitsOf({ rateLimits: { org: {}, key: {} } }, {})).toEqual({ org: {}, key: {} });
});

test('who is refused is told what the limit is and when to come back, never at once', () => {
  const refusal = tooMany({ of: 'API key', counted: 'tokens', limit: 1000, waitMs: 12_001 });
  expect(refusal).toMatchObject({ code: 'rate_limited', status: 429, details: { counted: 'tokens', limit: 1000, retryAfterSeconds: 13 } });
  expect(refusal.message).toBe('The API key may use 1000 tokens a minute; try again in 13 s.');
  expect(refusal.headers).toEqual({ 'retry-after': '13', 'x-ratelimit-limit': '1000', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '13' });
  expect(tooMany({ of: 'organisation', counted: 'requests', limit: 1, waitMs: 0 }).headers['retry-after']).toBe('1');
});
