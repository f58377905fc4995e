import { describe, expect, test } from '@jest/globals';
import { parseToolArguments } from './tool-arguments.ts';

describe('the arguments of a tool call', () => {
  test('are an object, and nothing at all is an empty one', () => {
    expect(parseToolArguments('{"a":[1]}')).toEqual({ ok: true, value: { a: [1] } });
    expect(parseToolArguments(' ')).toEqual({ ok: true, value: {} });
  });

  test('that are broken or no object are refused with a reason', () => {
    for (const text of ['{"a":', '[1]', '"x"', 'null']) expect(parseToolArguments(text).ok).toBe(false);
  });

  test('carry no escaped NUL or lone surrogate in a value or a key', () => {
    expect(parseToolArguments('{"k\\u0000":["a\\u0000b","\\ud800"]}')).toEqual({ ok: true, value: { k: ['ab', '\ufffd'] } });
  });

  test('cannot change a prototype', () => {
    const parsed = parseToolArguments('{"__proto__":{"x":"\\u0041"}}');
    expect(parsed.ok && Object.getPrototypeOf(parsed.value)).toBe(Object.prototype);
  });

  test('are bounded in depth, however deep the text is', () => {
    const parsed = parseToolArguments(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    expect(JSON.stringify(parsed).length).toBeLessThan(300);
  });
});
