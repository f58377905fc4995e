import { describe, expect, test } from '@jest/globals';
import { TOOL_IMAGE_BYTES_MAX, TOOL_RESULT_BYTES_MAX, type ToolBlock, ToolResponse } from '@nightshift/contracts';
import fc from 'fast-check';
import { responseResult } from './tool-response.ts';

const png = (bytes = 30) => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(bytes)]).toString('base64');
const text = (words: string): ToolBlock => ({ type: 'text', text: words });
const image = (data: string, mime = 'image/png'): ToolBlock => ({ type: 'image', source: { kind: 'base64', data, mime } });
const blocksOf = (content: readonly unknown[]) => (responseResult({ content })!.content as ToolResponse).content;

describe('a canonical reply', () => {
  test('is a result of content blocks', () => {
    const content = [text('two pages'), image(png()), { type: 'file', source: { kind: 'url', url: 'https://files.example/a.pdf' }, filename: 'a.pdf' }];
    expect(responseResult({ tool_call_id: 'call_1', content, is_error: false })).toEqual({ isError: false, content: { tool_call_id: 'call_1', content, is_error: false }, format: 'tool_response' });
    expect(responseResult({ content: [] })).toEqual({ isError: false, content: { content: [], is_error: false }, format: 'tool_response' });
  });

  test('may say that it is an error', () => {
    expect(responseResult({ content: [text('no such page')], is_error: true })).toEqual({ isError: true, errorCode: 'tool_error', content: { content: [text('no such page')], is_error: true }, format: 'tool_response' });
  });

  test.each([
    [null], ['text'], [[text('a')]], [{}], [{ content: 'text' }], [{ content: [{ type: 'text' }] }], [{ content: [{ type: 'dance', text: 'x' }] }],
    [{ content: [text('a')], total: 1 }], [{ content: [text('a')], is_error: 'no' }], [{ content: Array.from({ length: 1001 }, () => text('a')) }],
  ])('is not %j: that is a result like any other JSON', (json) => {
    expect(responseResult(json)).toBeUndefined();
  });
});

describe('an image', () => {
  test.each([
    ['image/png', Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1')],
    ['image/jpeg', Buffer.from('\xff\xd8\xff\xe0..', 'latin1')],
    ['image/gif', Buffer.from('GIF89a......')],
    ['image/webp', Buffer.from('RIFF\xff\0\x12\x99WEBPVP8 ', 'latin1')],
  ])('is told by its bytes to be %s, whatever it claims', (mime, bytes) => {
    expect(blocksOf([image(bytes.toString('base64'), 'image/bmp')])).toEqual([image(bytes.toString('base64'), mime)]);
  });

  test.each([[''], ['not base64'], [Buffer.from('<svg xmlns="x"/>').toString('base64')], [`${png()}\n`], [png().slice(0, -1)], [`data:image/png;base64,${png()}`]])('of which a model server would refuse the data (%j) is left out, and the result says so', (data) => {
    expect(blocksOf([image(data), text('kept')])).toEqual([text(expect.stringContaining('left out') as never), text('kept')]);
  });

  test('beyond what one result may hold is left out, and smaller ones after it are not', () => {
    const large = png(TOOL_IMAGE_BYTES_MAX / 2);
    const blocks = blocksOf([image(large), image(large), image(png())]);
    expect(blocks.map(({ type }) => type)).toEqual(['image', 'text', 'image']);
    expect(JSON.stringify(blocks[1])).toContain(`an image of ${large.length} bytes was left out`);
  });
});

test('text beyond what one result may hold is cut, and what follows it is left out, each with a marker', () => {
  const blocks = blocksOf([text('first'), text('x'.repeat(TOOL_RESULT_BYTES_MAX)), image(png()), text('last')]);
  expect(blocks).toEqual([text('first'), text(expect.stringMatching(/^x+…\[truncated: \d+ of 262144 bytes\]$/) as never), text('[2 more blocks were left out: the result is too large]')]);
});

test('a result of blocks never holds more than it may, whatever they are, and is a canonical reply again', () => {
  const anyBlock = fc.oneof(
    fc.tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.integer({ min: 0, max: 40_000 })).map(([words, times]) => text(words.repeat(times))),
    fc.integer({ min: 1, max: 800_000 }).map((bytes) => image(png(bytes))),
    fc.integer({ min: 1, max: 100_000 }).map((length): ToolBlock => ({ type: 'audio', source: { kind: 'base64', data: 'A'.repeat(length), mime: 'audio/wav' } })),
  );
  fc.assert(
    fc.property(fc.array(anyBlock, { maxLength: 12 }), (content) => {
      const kept = blocksOf(content);
      const data = kept.map((block) => (block.type === 'image' && block.source.kind === 'base64' ? block.source.data : ''));
      expect(data.join('').length).toBeLessThanOrEqual(TOOL_IMAGE_BYTES_MAX);
      expect(Buffer.byteLength(JSON.stringify(kept)) - data.join('').length).toBeLessThanOrEqual(TOOL_RESULT_BYTES_MAX);
      expect(ToolResponse.parse({ content: kept }).content).toEqual(kept);
    }),
    { numRuns: 50 },
  );
});
