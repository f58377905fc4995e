import { describe, expect, test } from '@jest/globals';
import { TOOL_RESULT_BYTES_MAX, ToolResponse } from '@nightshift/contracts';
import fc from 'fast-check';
import { replyResult } from './mcp-result.ts';

const text = (words: string) => ({ type: 'text', text: words });
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const image = { type: 'image', data: png, mimeType: 'image/png' };
const shown = { type: 'image', source: { kind: 'base64', data: png, mime: 'image/png' } };
const blocks = (content: readonly unknown[], isError = false) => (replyResult({ content, isError }).content as ToolResponse).content;

describe('a reply', () => {
  test('is its content blocks, as those of a canonical reply', () => {
    expect(replyResult({ content: [text('a'), image] })).toEqual({ isError: false, format: 'tool_response', content: { content: [text('a'), shown], is_error: false } });
    expect(blocks([{ type: 'audio', data: 'AAAA', mimeType: 'audio/wav' }, { type: 'resource_link', uri: 'file:///c.txt', name: 'more', description: 'x' }])).toEqual([
      { type: 'audio', source: { kind: 'base64', data: 'AAAA', mime: 'audio/wav' } },
      { type: 'file', source: { kind: 'url', url: 'file:///c.txt' }, filename: 'more' },
    ]);
    expect(blocks([{ type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: 'notes' } }, { type: 'resource', resource: { uri: 'file:///b', mimeType: 'image/png', blob: png } }, { type: 'resource', resource: { uri: 'file:///c', blob: 'AAAA' } }])).toEqual([
      text('[file:///a]\nnotes'),
      shown,
      { type: 'file', filename: 'file:///c', source: { kind: 'base64', data: 'AAAA', mime: 'application/octet-stream' } },
    ]);
    expect(blocks([{ type: 'newer', a: 1 }, { type: 'text' }, null])).toEqual(['{"type":"newer","a":1}', '{"type":"text"}', 'null'].map(text));
    expect(blocks([])).toEqual([]);
  });

  test('is its structured content if there is any, beside which images stay', () => {
    expect(replyResult({ content: [text('a')], structuredContent: { a: 1 } })).toEqual({ isError: false, content: { a: 1 } });
    expect(replyResult({ structuredContent: null })).toEqual({ isError: false, content: null });
    expect((replyResult({ content: [text('a'), image], structuredContent: { a: 1 } }).content as ToolResponse).content).toEqual([text('{"a":1}'), shown]);
  });

  test('that says it is an error is one', () => {
    expect(replyResult({ content: [text('no')], isError: true })).toMatchObject({ isError: true, errorCode: 'tool_error', content: { content: [text('no')], is_error: true } });
    expect(replyResult({ structuredContent: { a: 1 }, isError: true })).toEqual({ isError: true, errorCode: 'tool_error', content: { a: 1 } });
  });

  test('holds no text that a database refuses', () => {
    expect(JSON.stringify(replyResult({ content: [text('nul \u0000 lone \ud800')] }))).not.toMatch(/\\u0000|\\ud800/);
  });

  test('that is too large loses what does not fit, and says so', () => {
    const big = 'x'.repeat(TOOL_RESULT_BYTES_MAX);
    expect(blocks([text(big)])).toEqual([{ type: 'text', text: expect.stringMatching(/^x+…\[truncated: \d+ of 262144 bytes\]$/) }]);
    expect(blocks([{ type: 'audio', data: big, mimeType: 'audio/wav' }, { type: 'resource', resource: { uri: 'file:///b', blob: big } }, text('after')])).toEqual([text('[audio of 262144 bytes was left out: the result is too large]'), text('[file:///b of 262144 bytes was left out: the result is too large]'), text('after')]);
    expect(replyResult({ structuredContent: { big } }).content).toMatch(/^\{"big":"x+…\[truncated: \d+ of \d+ bytes\]$/);
    expect(blocks(Array.from({ length: 5000 }, () => text('b'))).at(-1)).toEqual(text('[4001 more blocks were left out: the result is too large]'));
  });

  test('never takes more than 256 KiB without its images, whatever it holds', () => {
    const size = fc.constantFrom(0, 10, 1000, 60_000, 100_000, 262_000, 262_144, 300_000);
    const block = fc.oneof(
      fc.tuple(fc.constantFrom('x', '"', '\u0001', 'ü', '😀'), size).map(([one, count]) => text(one.repeat(count / one.length))),
      size.map((count) => ({ type: 'audio', data: 'A'.repeat(count), mimeType: 'audio/wav' })),
      size.map((count) => ({ type: 'resource', resource: { uri: 'file:///x', text: 'r'.repeat(count) } })),
    );
    fc.assert(fc.property(fc.array(block, { maxLength: 5 }), (content) => Buffer.byteLength(JSON.stringify(blocks(content))) <= TOOL_RESULT_BYTES_MAX), { numRuns: 60 });
  });
});
