import { describe, expect, test } from '@jest/globals';
import { TOOL_RESULT_BYTES_MAX } from '@nightshift/contracts';
import fc from 'fast-check';
import { callTarget, failureResult, type FunctionReply, type OpenedFunction, toResult } from './function-call.ts';

const reply = (body: string | Buffer, more: Partial<FunctionReply> = {}): FunctionReply => {
  const bytes = Buffer.from(body as string);
  return { status: 200, body: bytes, truncated: false, bodyBytes: bytes.length, ...more };
};

const name = 'weather';
const targetOf = (tool: Omit<OpenedFunction, 'name'>, args: Record<string, unknown>) => callTarget({ name, ...tool }, args, 'call_1');

describe('the target of a call', () => {
  test('by POST has the flat arguments as its body, and the defaults win', () => {
    const target = targetOf({ url: 'https://t.example/x?y=1', method: 'POST', defaults: { key: 'own', unit: 'C' } }, { city: 'Oslo', key: 'guessed', nested: { a: [1] } });
    expect(target.url).toBe('https://t.example/x?y=1');
    expect(JSON.parse(target.body ?? '')).toEqual({ city: 'Oslo', key: 'own', nested: { a: [1] }, unit: 'C' });
  });

  test('has them in an envelope for a tool that asks for one, by POST alone', () => {
    const tool = { url: 'https://t.example/x', envelope: true, defaults: { key: 'own' } };
    expect(JSON.parse(targetOf({ ...tool, method: 'POST' }, { city: 'Oslo', key: 'guessed' }).body ?? '')).toEqual({ tool_name: 'weather', parameters: { city: 'Oslo', key: 'own' }, request_id: 'call_1' });
    expect(targetOf({ ...tool, method: 'GET' }, { city: 'Oslo' })).toEqual({ url: 'https://t.example/x?city=Oslo&key=own', body: null });
  });

  test('by GET has them in its query, nested ones as JSON, and what the address already has stays as it is', () => {
    const tool = { url: 'https://t.example/x?tenant=5&q=a%20b#top', method: 'GET', defaults: { key: 'o&n' } } as const;
    const { url, body } = targetOf(tool, { city: 'São Paulo', n: 3, on: true, key: 'guessed', tenant: '6', nested: { a: [1] }, absent: null });
    expect(body).toBeNull();
    expect(url.startsWith('https://t.example/x?tenant=5&q=a%20b&')).toBe(true);
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({ tenant: '5', q: 'a b', city: 'São Paulo', n: '3', on: 'true', key: 'o&n', nested: '{"a":[1]}' });
    expect(targetOf({ url: 'https://t.example/x', method: 'GET' }, {}).url).toBe('https://t.example/x');
  });

  test('carries every JSON argument unchanged', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (args) => {
        expect(JSON.parse(targetOf({ url: 'https://t.example', method: 'POST' }, args).body ?? '')).toEqual(JSON.parse(JSON.stringify(args)));
        const sent = new URL(targetOf({ url: 'https://t.example/', method: 'GET' }, args).url).searchParams;
        for (const [name, value] of Object.entries(args)) {
          if (value !== null) expect(sent.get(name)).toBe(typeof value === 'string' ? value : JSON.stringify(value));
        }
      }),
    );
  });
});

describe('the result of a reply', () => {
  test.each([
    ['{"a":[1,null]}', { a: [1, null] }],
    ['[1]', [1]],
    ['42', 42],
    ['null', null],
    ['plain text', 'plain text'],
    ['{"broken":', '{"broken":'],
    ['', ''],
  ])('%j is JSON if it can be, else text', (body, content) => {
    expect(toResult(reply(body))).toEqual({ isError: false, content });
  });

  test('in the canonical form is its content blocks, also when it is larger than a result of text', () => {
    const block = (data: string) => ({ type: 'image', source: { kind: 'base64', data, mime: 'image/png' } });
    const data = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(1_000_000)]).toString('base64');
    expect(toResult(reply(JSON.stringify({ content: [block(data)] })))).toEqual({ isError: false, content: { content: [block(data)], is_error: false }, format: 'tool_response' });
    expect(toResult(reply('{"content":[{"type":"text","text":"gone"}],"is_error":true}'))).toMatchObject({ isError: true, errorCode: 'tool_error', format: 'tool_response' });
    expect(toResult(reply('{"content":[{"type":"text","text":"gone"}]}', { status: 500 }))).toMatchObject({ errorCode: 'http_status', content: { body: { content: [{ text: 'gone' }] } } });
  });

  test('is clean of NUL and lone surrogates, however they were written, and of invalid UTF-8', () => {
    expect(toResult(reply('{"t":"a\\u0000b\\ud800"}')).content).toEqual({ t: 'ab\ufffd' });
    expect(toResult(reply('a\0b')).content).toBe('ab');
    expect(toResult(reply(Buffer.from([0x61, 0xff, 0xed, 0xa0, 0x80]))).content).toMatch(/^a\ufffd+$/);
  });

  test.each([
    ['{"error":"no such city"}', true],
    ['{"error":{"code":1}}', true],
    ['{"is_error":true,"rows":[]}', true],
    ['{"error":null,"rows":[]}', false],
    ['{"error":false}', false],
    ['{"error":""}', false],
    ['"error"', false],
    ['{"content":[1],"is_error":false}', false],
  ])('%s is an error: %s', (body, isError) => {
    expect(toResult(reply(body))).toEqual({ isError, content: JSON.parse(body), ...(isError && { errorCode: 'tool_error' }) });
  });

  test.each([199, 301, 400, 404, 500])('with status %i is an error that tells the model what the tool said', (status) => {
    const content = { error: 'http_status', status, message: `The tool answered with status ${status}.`, body: { reason: 'x' } };
    expect(toResult(reply('{"reason":"x"}', { status }))).toEqual({ isError: true, content, errorCode: 'http_status' });
  });

  test('is never larger than what may reach the model, cut at a character and marked with how much there was', () => {
    const characters = fc.constantFrom('a', '"', '\\', '\n', '\u0001', '\u007f', 'é', '€', '😀');
    fc.assert(
      fc.property(fc.array(characters, { minLength: 1, maxLength: 8 }), fc.constantFrom(200, 500), fc.boolean(), (cycle, status, asJson) => {
        const text = cycle.join('').repeat(Math.ceil(300_000 / cycle.length));
        const body = asJson ? JSON.stringify({ text }) : text;
        const { content } = toResult(reply(body, { status }));
        expect(Buffer.byteLength(JSON.stringify(content))).toBeLessThanOrEqual(TOOL_RESULT_BYTES_MAX);
        const cut = status === 200 ? content : (content as { body: unknown }).body;
        const [, kept = '', keptBytes, bytes] = /^(.*)…\[truncated: (\d+) of (\d+) bytes\]$/s.exec(cut as string) ?? [];
        expect(body.startsWith(kept)).toBe(true);
        expect([Number(keptBytes), Number(bytes)]).toEqual([Buffer.byteLength(kept), Buffer.byteLength(body)]);
        expect(Buffer.byteLength(JSON.stringify(content))).toBeGreaterThan(TOOL_RESULT_BYTES_MAX - 100);
        expect(kept.isWellFormed()).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('that was not read to its end is text with a marker, even if it looks like JSON', () => {
    expect(toResult(reply('12345', { truncated: true, bodyBytes: 9_000_000 }))).toEqual({ isError: false, content: '12345…[truncated: 5 of 9000000 bytes]' });
    expect(toResult(reply('12345', { truncated: true, bodyBytes: null })).content).toBe('12345…[truncated: 5 of more than 5 bytes]');
  });

  test('that just fits is not cut', () => {
    const text = 'a'.repeat(TOOL_RESULT_BYTES_MAX - 2);
    expect(toResult(reply(text)).content).toBe(text);
    expect(toResult(reply(`${text}a`)).content).toMatch(/bytes\]$/);
  });
});

test('a failure names its code to the model and to the journal', () => {
  expect(failureResult('timeout', 'too slow')).toEqual({ isError: true, content: { error: 'timeout', message: 'too slow' }, errorCode: 'timeout' });
});
