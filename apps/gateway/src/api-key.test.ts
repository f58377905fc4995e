import { describe, expect, test } from '@jest/globals';
import { hashOf, isSameHash, prefixOf, presentedKey } from './api-key.ts';

describe('an API key', () => {
  test('is looked up by its beginning, of which never more than half is told', () => {
    expect(prefixOf('sk-ns-abcdefghijklmnopqrstuvwxyz')).toBe('sk-ns-abcdef');
    expect(prefixOf('short-key')).toBe('shor');
    for (const length of [1, 8, 9, 23, 24, 25, 100]) expect(prefixOf('x'.repeat(length)).length).toBeLessThanOrEqual(length / 2);
  });

  test('is compared by its hash, which does not give it away', () => {
    const hash = hashOf('sk-ns-secret');
    expect(hash).toHaveLength(32);
    expect(hash.toString('latin1')).not.toContain('secret');
    expect(isSameHash(hash, hashOf('sk-ns-secret'))).toBe(true);
    expect(isSameHash(hash, hashOf('sk-ns-secreT'))).toBe(false);
    expect(isSameHash(hash, hash.subarray(0, 31))).toBe(false);
    expect(isSameHash(new Uint8Array(0), hash)).toBe(false);
  });

  test.each([
    ['Bearer abc', undefined, 'abc'],
    ['bearer abc', undefined, 'abc'],
    [' Bearer abc ', undefined, 'abc'],
    [undefined, 'abc', 'abc'],
    ['Bearer abc', 'def', 'abc'],
    ['Bearer', undefined, undefined],
    ['Bearer two words', undefined, undefined],
    ['Basic abc', undefined, undefined],
    ['abc', undefined, undefined],
    // A header that cannot be read is not passed over for another one.
    ['Basic abc', 'def', undefined],
    [undefined, '', undefined],
    [undefined, undefined, undefined],
  ])('of "%s" and "%s" is "%s"', (authorization, apiKey, key) => {
    expect(presentedKey({ authorization, 'x-api-key': apiKey })).toBe(key);
  });
});
