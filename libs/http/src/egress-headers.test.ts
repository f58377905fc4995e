import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { redirectHeaders, sanitizeHeaders } from './egress-headers.ts';

describe("a user's headers", () => {
  test('keep everything that is theirs to set, under lower-case names', () => {
    expect(sanitizeHeaders({ Authorization: 'Bearer t', 'X-Api-Key': ' k ', accept: 'text/plain', 'Content-Type': 'application/json' })).toEqual({
      headers: { authorization: 'Bearer t', 'x-api-key': 'k', accept: 'text/plain', 'content-type': 'application/json' },
      refused: [],
    });
  });

  test.each(['Host', 'content-length', 'TRANSFER-ENCODING', 'Connection', 'Idempotency-Key', 'traceparent', 'Tracestate', 'Upgrade', 'TE', 'Expect', 'Accept-Encoding', ' host ', 'a b', 'a:b', '', 'x\r\ny', 'ü'])(
    'may not set "%s"',
    (name) => {
      expect(sanitizeHeaders({ [name]: 'v', 'x-ok': 'v' })).toEqual({ headers: { 'x-ok': 'v' }, refused: [name] });
    },
  );

  test.each(['a\r\nx-injected: 1', 'a\nb', 'a\rb', 'a\0b', '\u{1f600}', 'a\x7f'])('may not carry the value %j, and the refusal does not repeat it', (value) => {
    expect(sanitizeHeaders({ 'x-a': value })).toEqual({ headers: {}, refused: ['x-a'] });
  });

  test('never leave a line break or a reserved name in what is kept', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: 'binary' })), (given) => {
        const { headers, refused } = sanitizeHeaders(given);
        for (const [name, value] of Object.entries(headers)) {
          expect(name).toMatch(/^[!-9;-~]+$/);
          expect(value).not.toMatch(/[\r\n\0]/);
        }
        expect(Object.keys(headers).length).toBeLessThanOrEqual(Object.keys(given).length - refused.length);
      }),
    );
  });
});

describe('the headers of a redirect', () => {
  const headers = { authorization: 'a', cookie: 'c', 'x-api-key': 'k', accept: '*/*', 'content-type': 'application/json', 'content-language': 'en', traceparent: 't' };

  test('are the same within one origin, but for those of a body that is gone', () => {
    expect(redirectHeaders(headers, { sameOrigin: true, keepsBody: true })).toEqual(headers);
    expect(Object.keys(redirectHeaders(headers, { sameOrigin: true, keepsBody: false }))).toEqual(['authorization', 'cookie', 'x-api-key', 'accept', 'traceparent']);
  });

  test('carry nothing that may be a credential to another origin', () => {
    expect(redirectHeaders(headers, { sameOrigin: false, keepsBody: true })).toEqual({ accept: '*/*', 'content-type': 'application/json', traceparent: 't' });
  });
});
