import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cleanJson, cleanText } from './clean-text.ts';

const anyText = fc.array(fc.constantFrom('\0', '\ud800', '\udc00', 'a', '😀', '"', '\\', '\u001f')).map((parts) => parts.join(''));

describe('clean text', () => {
  test('has no NUL and no lone surrogate, and loses nothing else', () => {
    expect(cleanText('a\0b\ud83dc\udc00d😀')).toBe('ab\ufffdc\ufffdd😀');
    fc.assert(
      fc.property(anyText, (text) => {
        const clean = cleanText(text);
        expect(clean).not.toContain('\0');
        expect(clean.isWellFormed()).toBe(true);
        expect(cleanText(clean)).toBe(clean);
      }),
    );
  });
});

describe('clean JSON', () => {
  test('is clean in every text and key, and otherwise the same', () => {
    expect(cleanJson({ 'k\0': ['\ud800', { n: 1, t: true, z: null }], s: 'x\0' })).toEqual({ k: ['\ufffd', { n: 1, t: true, z: null }], s: 'x' });
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(cleanJson(value, 1000)).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(fc.object({ key: anyText, values: [anyText] }), (value) => {
        const text = JSON.stringify(cleanJson(JSON.parse(JSON.stringify(value))));
        expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/);
      }),
    );
  });

  test('keeps a key named __proto__ as a plain key', () => {
    const cleaned = cleanJson(JSON.parse('{"__proto__":{"polluted":1}}'));
    expect(JSON.stringify(cleaned)).toBe('{"__proto__":{"polluted":1}}');
    expect((cleaned as { polluted?: number }).polluted).toBeUndefined();
  });

  test('ends at its depth, however deep the value is', () => {
    expect(cleanJson([[['x']]], 2)).toEqual([['[nested too deeply]']]);
    const deep: unknown = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000));
    expect(JSON.stringify(cleanJson(deep)).length).toBeLessThan(200);
  });
});
