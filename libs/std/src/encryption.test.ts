import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { decrypt, DecryptError, encrypt, encryptionPrefix } from './encryption.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const keys = { current: key(1) };

describe('an encrypted text', () => {
  test('opens to what it was, with its key and context', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => decrypt(encrypt(text, keys, context), keys, context) === text));
  });

  test('differs each time, and shows nothing of what it holds', () => {
    const texts = [encrypt('a secret', keys, 'c'), encrypt('a secret', keys, 'c')];
    expect(new Set(texts).size).toBe(2);
    for (const text of texts) expect(Buffer.from(text.slice(encryptionPrefix(keys.current).length), 'base64url').includes('secret')).toBe(false);
  });

  test('opens with the previous key, and what is written anew does not need it', () => {
    const old = encrypt('a secret', keys, 'c');
    const rotated = { current: key(2), previous: key(1) };
    expect(decrypt(old, rotated, 'c')).toBe('a secret');
    expect(decrypt(encrypt('a secret', rotated, 'c'), { current: key(2) }, 'c')).toBe('a secret');
    expect(old.startsWith(encryptionPrefix(key(1)))).toBe(true);
    expect(old.startsWith(encryptionPrefix(key(2)))).toBe(false);
  });

  test.each([
    ['another key', (text: string) => decrypt(text, { current: key(2) }, 'c')],
    ['another context', (text: string) => decrypt(text, keys, 'd')],
    ['a byte changed', (text: string) => decrypt(`${text.slice(0, -2)}${text.at(-2) === 'A' ? 'B' : 'A'}${text.at(-1)}`, keys, 'c')],
    ['its end cut off', (text: string) => decrypt(text.slice(0, 30), keys, 'c')],
  ])('does not open with %s', (_, open) => {
    expect(() => open(encrypt('a secret', keys, 'c'))).toThrow(DecryptError);
  });

  test('is never mistaken for a plain one', () => {
    expect(() => decrypt('whsec_plain', keys, 'c')).toThrow(DecryptError);
  });
});

test('a key that is not 32 bytes is refused', () => {
  expect(() => encrypt('x', { current: 'c2hvcnQ=' }, 'c')).toThrow(RangeError);
});
