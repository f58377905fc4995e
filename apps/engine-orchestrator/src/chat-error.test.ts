import { describe, expect, test } from '@jest/globals';
import { errorAnswer, errorChunk, whyNobody } from './chat-error.ts';
import { answeredWith, canceled, ModelError, reportedError, transportError } from './model-error.ts';
import { invalidReply } from './reply-draft.ts';

const answered = (status: number, body: object = {}, retryAfterMs: number | null = null) => answeredWith({ status, body: JSON.stringify(body), retryAfterMs, apiKeyName: 'KEY' });
const codeOf = (err: ModelError) => {
  const { status, headers, body } = errorAnswer(err);
  return [status, (JSON.parse(body) as { error: { code: string } }).error.code, headers['retry-after'], headers['x-should-retry']];
};

describe('the answer to a client', () => {
  test.each([
    ['a refusal of its own request', answered(422, { error: { code: 'bad_thing' } }), [422, 'bad_thing', undefined, undefined]],
    ['a refusal without words', answered(400), [400, 'invalid_request', undefined, undefined]],
    ['a status that is about something else', answered(418), [502, 'upstream_rejected', undefined, 'false']],
    ['a redirect', answered(302), [502, 'upstream_rejected', undefined, 'false']],
    ['a refused key', answered(403), [502, 'upstream_auth', undefined, 'false']],
    ['a limit', answered(429, {}, 1500), [429, 'rate_limited', '2', undefined]],
    ['a quota', answered(429, { error: { code: 'insufficient_quota' } }, 1500), [429, 'rate_limited', undefined, undefined]],
    ['an overload', answered(529, {}, 3000), [503, 'service_unavailable', '3', undefined]],
    ['a limit that is only reported', reportedError({ type: 'rate_limit_error' }, 'KEY'), [429, 'rate_limited', undefined, undefined]],
    ['a request that is only reported to be wrong', reportedError({ type: 'invalid_request_error' }, 'KEY'), [400, 'invalid_request', undefined, undefined]],
    ['a timeout', transportError({ code: 'UND_ERR_HEADERS_TIMEOUT' }), [504, 'timeout', undefined, undefined]],
    ['a lost connection', transportError({ code: 'ECONNRESET' }), [503, 'service_unavailable', undefined, undefined]],
    ['a reply that is none', invalidReply('no'), [502, 'upstream_invalid_response', undefined, 'false']],
  ])('says of %s what kind of error it is', (_what, err, expected) => {
    expect(codeOf(err)).toEqual(expected);
  });

  test('is the envelope that clients know, and the same in a stream', () => {
    const err = answered(400, { error: { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded', param: 'messages' } });
    const body = { error: { code: 'context_length_exceeded', message: 'too long', type: 'invalid_request_error', param: 'messages' } };
    expect([JSON.parse(errorAnswer(err).body), errorChunk(err)]).toEqual([body, body]);
  });
});

describe('when nobody has answered', () => {
  const limited = (waitMs: number) => ({ reason: 'limited' as const, waitMs });
  const open = (waitMs: number) => ({ reason: 'open' as const, waitMs });

  test('a final refusal of the first is the reason', () => {
    const err = answered(400);
    expect(whyNobody([err], [limited(5)])).toBe(err);
  });

  test('the first that may do better later is the reason, with the shortest wait of all', () => {
    expect(whyNobody([answered(401), answered(429, {}, 9000), answered(500)], [open(4000)])).toMatchObject({ kind: 'rate_limited', status: 429, retryAfterMs: 4000 });
    expect(whyNobody([answered(500)], [])).toMatchObject({ kind: 'unavailable', retryAfterMs: null });
  });

  test('a used-up quota is not the last word where another upstream was only full', () => {
    const quota = answered(429, { error: { code: 'insufficient_quota' } });
    expect(whyNobody([quota], [])).toBe(quota);
    expect(whyNobody([quota], [limited(3000)])).toMatchObject({ kind: 'rate_limited', retryAfterMs: 3000 });
  });

  test('full upstreams are a limit, those that are left alone an outage', () => {
    expect(whyNobody([], [open(700), limited(0)])).toMatchObject({ kind: 'rate_limited', retryAfterMs: 700 });
    expect(whyNobody([], [limited(0)])).toMatchObject({ kind: 'rate_limited', retryAfterMs: 1000 });
    expect(whyNobody([], [open(700), open(300)])).toMatchObject({ kind: 'unavailable', retryAfterMs: 300 });
  });
});

test('a call that was given up is no fault of the upstream', () => {
  expect([canceled().isFault, canceled().isRetryable]).toEqual([false, false]);
});
