import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { generateSealKeyPair, isSealed, seal, sealPublicKeyOf, unseal, UnsealError } from './seal.ts';

const pair = generateSealKeyPair();

describe('a sealed text', () => {
  test('opens to the same text with the same key and context, whatever the text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, context) => {
        const sealed = seal(text, pair.publicKey, context);
        expect(isSealed(sealed)).toBe(true);
        expect(unseal(sealed, pair.privateKey, context)).toBe(text);
      }),
    );
  });

  test('opens with no other key and in no other context', () => {
    const sealed = seal('Bearer token', pair.publicKey, 'org_1');
    expect(() => unseal(sealed, generateSealKeyPair().privateKey, 'org_1')).toThrow(UnsealError);
    expect(() => unseal(sealed, pair.privateKey, 'org_2')).toThrow(UnsealError);
  });

  test('that was changed or cut anywhere does not open', () => {
    const bytes = Buffer.from(seal('Bearer token', pair.publicKey, 'org_1').slice('sealed:v1:'.length), 'base64url');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        // Also the top bit of the ephemeral key, which RFC 7748 ignores: it is part of what the key is derived from.
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(() => unseal(`sealed:v1:${changed.toString('base64url')}`, pair.privateKey, 'org_1')).toThrow(UnsealError);
        expect(() => unseal(`sealed:v1:${bytes.subarray(0, at).toString('base64url')}`, pair.privateKey, 'org_1')).toThrow(UnsealError);
      }),
    );
  });

  test('shows neither its text nor that two texts are the same, and its error shows nothing of it', () => {
    const [one, two] = [seal('canary-secret', pair.publicKey, 'o'), seal('canary-secret', pair.publicKey, 'o')];
    expect(one).not.toBe(two);
    expect(Buffer.from(one.slice('sealed:v1:'.length), 'base64url').toString('latin1')).not.toContain('canary');
    expect(() => unseal('canary-secret', pair.privateKey, 'o')).toThrow(new UnsealError('not a sealed text'));
  });

  test('opens after the key it shares with others has changed', () => {
    const sealed = Array.from({ length: 2100 }, (_, i) => seal(String(i), pair.publicKey, 'o'));
    expect(new Set(sealed.map((text) => text.slice(0, 50))).size).toBeGreaterThan(2);
    expect(sealed.map((text) => unseal(text, pair.privateKey, 'o'))).toEqual(sealed.map((_, i) => String(i)));
  });
});

test('the public half of a key follows from the private one', () => {
  expect(sealPublicKeyOf(pair.privateKey)).toBe(pair.publicKey);
  expect(unseal(seal('x', sealPublicKeyOf(pair.privateKey), 'o'), pair.privateKey, 'o')).toBe('x');
});

test('a key is 32 bytes of base64, and every pair is new', () => {
  expect(Buffer.from(pair.publicKey, 'base64').length).toBe(32);
  expect(Buffer.from(pair.privateKey, 'base64').length).toBe(32);
  expect(generateSealKeyPair().privateKey).not.toBe(pair.privateKey);
  expect(() => seal('x', 'c2hvcnQ=', 'o')).toThrow(RangeError);
});
