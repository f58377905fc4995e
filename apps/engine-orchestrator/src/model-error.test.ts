import { describe, expect, test } from '@jest/globals';
import { answeredWith, retryAfterMs, upstreamText } from './model-error.ts';

const answer = { body: '', retryAfterMs: null, apiKeyName: 'UPSTREAM_API_KEY' };

describe('the wait an upstream asks for', () => {
  const now = Date.parse('2026-11-21T10:00:00Z');

  test('is read from seconds, milliseconds and dates', () => {
    expect(retryAfterMs({ 'retry-after': '7' }, now)).toBe(7_000);
    expect(retryAfterMs({ 'retry-after': '0.25' }, now)).toBe(250);
    expect(retryAfterMs({ 'retry-after': '9', 'retry-after-ms': '125' }, now)).toBe(125);
    expect(retryAfterMs({ 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT' }, now)).toBe(30_000);
  });

  test('is never negative, never longer than a day, and null when there is none or it makes no sense', () => {
    expect(retryAfterMs({ 'retry-after': 'Sat, 21 Nov 2026 09:00:00 GMT' }, now)).toBe(0);
    expect(retryAfterMs({ 'retry-after': '9999999' }, now)).toBe(86_400_000);
    expect(retryAfterMs({}, now)).toBeNull();
    expect(retryAfterMs({ 'retry-after': 'soon' }, now)).toBeNull();
  });
});

describe('the text of an upstream', () => {
  test('never carries the key, whole or masked', () => {
    const body = JSON.stringify({ error: { message: 'Incorrect API key provided: my-secret-key (sk-abc123, my-s****-key)\u0000\n.' } });
    expect(upstreamText(body, 'my-secret-key')).toBe('Incorrect API key provided: [key] ([key], [key] .');
  });

  test('is found in every usual place and cut at 300 characters', () => {
    expect(['{"error":"a"}', '{"message":"b"}', '{"detail":"c"}', '{"error":{"message":"d"}}', 'e'].map((body) => upstreamText(body))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(upstreamText('x'.repeat(1000))).toHaveLength(300);
  });
});

describe('a status', () => {
  test('tells retryable from final', () => {
    const kind = (status: number) => answeredWith({ ...answer, status }).kind;
    expect([429, 408, 409, 500, 502, 503, 529].map(kind)).toEqual(['rate_limited', ...Array<string>(6).fill('unavailable')]);
    expect([400, 401, 403, 404, 413, 422, 301].map(kind)).toEqual(Array<string>(7).fill('rejected'));
  });

  test('gives a message that says what to do', () => {
    const refused = answeredWith({ ...answer, status: 401, apiKeyName: 'OTHER_KEY' });
    expect([refused.code, refused.message]).toEqual(['upstream_auth', 'The model server answered 401; check OTHER_KEY.']);
    const body = '{"error":{"message":"no such model"}}';
    expect(answeredWith({ ...answer, status: 404, body }).message).toBe(
      'The model server answered 404; check UPSTREAM_BASE_URL and the name of the model. It said: no such model',
    );
  });

  test('429 for a used-up quota is final, since no waiting helps', () => {
    const error = answeredWith({ ...answer, status: 429, body: '{"error":{"code":"insufficient_quota","message":"pay"}}' });
    expect([error.kind, error.code]).toEqual(['rejected', 'upstream_rejected']);
  });

  test('tells whether another upstream may do better, and whether it speaks against this one', () => {
    const facts = (status: number, more: object = {}) => {
      const error = answeredWith({ ...answer, status, ...more });
      return [error.mayFallBack, error.isFault];
    };
    expect([facts(500), facts(429), facts(429, { body: 'insufficient_quota' }), facts(503, { retryAfterMs: 1000 }), facts(401), facts(400)]).toEqual([[true, true], [true, false], [true, false], [true, false], [false, false], [false, false]]);
  });
});
