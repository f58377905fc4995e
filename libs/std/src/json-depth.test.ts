import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isNestedDeeper } from './json-depth.ts';

const bytes = (text: string) => Buffer.from(text);

/** How deep a parsed value is. */
function depthOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

describe('the depth of JSON', () => {
  test('is that of its lists and objects', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const depth = depthOf(value);
        expect(isNestedDeeper(bytes(JSON.stringify(value)), depth)).toBe(false);
        if (depth > 0) expect(isNestedDeeper(bytes(JSON.stringify(value)), depth - 1)).toBe(true);
      }),
    );
  });

  test.each(['["[[[["]', '["\\"[[[["]', '["\\\\","[[[["]', '{"[{[{":"}]}]"}', '["é[[[[😀"]'])('is not that of the text in it: %s', (json) => {
    expect(isNestedDeeper(bytes(json), 1)).toBe(false);
    expect(isNestedDeeper(bytes(json), 0)).toBe(true);
  });

  test('is known of text that ends too early', () => {
    expect(isNestedDeeper(bytes('['.repeat(1_000_000)), 64)).toBe(true);
    expect(isNestedDeeper(bytes('["\\'), 64)).toBe(false);
    expect(isNestedDeeper(bytes(']]]['), 0)).toBe(false);
  });
});
