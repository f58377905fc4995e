import { describe, expect, test } from '@jest/globals';
import { checkAnswer } from './answer.ts';

const format = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };

describe('an answer', () => {
  test('is any text without a format, and the value that fits it with one', () => {
    expect(checkAnswer('{"n":1}', undefined)).toEqual({ ok: true, value: '{"n":1}' });
    expect(checkAnswer('```json\n{"n":1e3}\n```', format)).toEqual({ ok: true, value: { n: 1000 } });
  });

  test.each(['no JSON', '{"n":"1"}', '{}', '{"n":1e400}', '{"n":1,"more":[-1e999]}'])('does not fit, and it is said why: %s', (content) => {
    expect(checkAnswer(content, format)).toEqual({ ok: false, problems: [expect.stringMatching(/\S/)] });
  });

  test.each([65, 5000, 1_000_000])('that is nested %i levels deep does not fit, and it is said why', (levels) => {
    const content = `${'{"n":1,"more":['.repeat(levels / 2)}${'[]'.repeat(levels % 2)}${']}'.repeat(levels / 2)}`;
    expect(checkAnswer(content, format)).toEqual({ ok: false, problems: [expect.stringMatching(/nested too deeply/)] });
  });

  test('is kept whole as deep as it may be', () => {
    const content = `{"n":1,"more":${'['.repeat(63)}${']'.repeat(63)}}`;
    expect(JSON.stringify(checkAnswer(content, format))).toBe(`{"ok":true,"value":${content}}`);
  });

  test('keeps keys that JavaScript has a meaning for', () => {
    const checked = checkAnswer('{"n":1,"constructor":2,"__proto__":{"n":3}}', format);
    expect(JSON.stringify(checked)).toBe('{"ok":true,"value":{"n":1,"constructor":2,"__proto__":{"n":3}}}');
  });
});
