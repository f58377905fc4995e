import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JsonScanner } from './json-scanner.ts';

const cuts = (text: string, sizes: readonly number[]): string[] => {
  const pieces: string[] = [];
  for (let at = 0, index = 0; at < text.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return pieces;
};
const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' });
const pretty = fc.tuple(json, fc.constantFrom(undefined, 1, '\t'), fc.boolean()).map(([value, space, ascii]) => {
  const text = JSON.stringify(value, undefined, space);
  return ascii ? text.replaceAll(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : text;
});
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });

describe('a JSON text in pieces', () => {
  test('can be closed wherever it may be shown, and what is shown is whole in the end', () => {
    fc.assert(
      fc.property(pretty, sizes, (text, lengths) => {
        const scanner = new JsonScanner();
        let shown = '';
        for (const piece of cuts(text, lengths)) {
          shown += scanner.push(piece);
          const closed = shown + scanner.closing(0);
          if (shown !== '') expect(() => JSON.parse(closed) as unknown).not.toThrow();
          expect(closed.isWellFormed() && !/\\ud[89ab]..(?!\\ud[c-f])/i.test(closed)).toBe(true);
        }
        // A number at the very end may go on.
        expect(text.startsWith(shown) && scanner.isBroken === false).toBe(true);
        expect(shown === text || /^-?\d|^[tfn]/.test(text)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('that is no JSON is found out, and nothing is shown that cannot be closed', () => {
    fc.assert(
      fc.property(pretty, fc.nat(), fc.string({ maxLength: 3 }), sizes, (text, at, junk, lengths) => {
        const position = at % (text.length + 1);
        const broken = text.slice(0, position) + junk + text.slice(position);
        const scanner = new JsonScanner();
        const shown = cuts(broken, lengths).map((piece) => scanner.push(piece)).join('');
        if (shown !== '') expect(() => JSON.parse(shown + scanner.closing(0)) as unknown).not.toThrow();
        if (scanner.isWhole && shown === broken) expect(() => JSON.parse(broken) as unknown).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['{"a":[1,2', '{"a":[', ']}'],
    ['{"a":"x\\u00', '{"a":"x', '"}'],
    ['{"a":"x\\ud83d', '{"a":"x', '"}'],
    ['{"a":"x\ud83d', '{"a":"x', '"}'],
    ['{"a":tru', '{', '}'],
    ['{"a', '{', '}'],
    ['{"a":{"b":1},', '{"a":{"b":1}', '}'],
  ])('%j is shown up to %j', (text, shown, closing) => {
    const scanner = new JsonScanner();
    expect(scanner.push(text)).toBe(shown);
    expect(scanner.closing(0)).toBe(closing);
  });

  test('goes on inside a text that was begun elsewhere, and says how far out it went', () => {
    const scanner = new JsonScanner(['{', '[', '{'], '}');
    expect(scanner.push(',"b":{"c":"d"},"e":[')).toBe(',"b":{"c":"d"},"e":[');
    expect(scanner.closing(2, '"x":1')).toBe('],"x":1}');
    expect(scanner.depthMin).toBe(3);
    scanner.push(']}]');
    expect(scanner.depthMin).toBe(1);
    expect(scanner.stack).toEqual(['{']);
  });
});
