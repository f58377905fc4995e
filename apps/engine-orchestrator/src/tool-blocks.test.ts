import { describe, expect, test } from '@jest/globals';
import type { ToolBlock, ToolResult } from '@nightshift/contracts';
import { journaled } from './session.ts';
import { blocksOf, imagesOf, resultForClients, textOfBlocks } from './tool-blocks.ts';

const png: ToolBlock = { type: 'image', source: { kind: 'base64', mime: 'image/png', data: 'AAAA' } };
const blocks: ToolBlock[] = [
  { type: 'text', text: 'two pages' },
  png,
  { type: 'image', source: { kind: 'base64', mime: 'image/svg+xml', data: 'AAAA' } },
  { type: 'image', source: { kind: 'url', url: 'http://10.0.0.1/a.png' } },
  { type: 'image', source: { kind: 'blob_ref', blob_key: 'b', mime: 'image/png' } },
  { type: 'file', source: { kind: 'url', url: 'https://files.example/a.pdf' }, filename: 'a.pdf' },
  { type: 'audio', source: { kind: 'base64', mime: 'audio/wav', data: 'AAAA' } },
  png,
];
const result: ToolResult = { isError: false, format: 'tool_response', content: { tool_call_id: 'x', content: blocks, is_error: false } };

describe('blocks', () => {
  test('are those of a result that says that it has some, and of no other', () => {
    expect(blocksOf(result)).toEqual(blocks);
    expect([blocksOf({ isError: false, content: result.content }), blocksOf({ isError: false, format: 'tool_response', content: 'broken' }), blocksOf(undefined)]).toEqual([undefined, undefined, undefined]);
  });

  test('show a model the images that came with them, and no address that the upstream would fetch', () => {
    expect(imagesOf(blocks)).toEqual(['data:image/png;base64,AAAA', 'data:image/png;base64,AAAA']);
  });

  test('are told as text, with a note of each that is left out', () => {
    expect(textOfBlocks(blocks, 1).split('\n')).toEqual([
      'two pages', '[image: see the message after the results]', '[image: left out]', '[image: http://10.0.0.1/a.png]', '[image: left out]', '[file: https://files.example/a.pdf]', '[audio: left out]', '[image: left out]',
    ]);
  });
});

test('clients see a result as the tool gave it, but for the data of its images', () => {
  const seen = resultForClients(result) as { content: ToolBlock[] };
  expect(seen).toMatchObject({ tool_call_id: 'x', is_error: false });
  expect([seen.content[1], seen.content.slice(3, 7)]).toEqual([{ type: 'text', text: '[image: image/png, 4 characters of base64]' }, blocks.slice(3, 7)]);
  expect(resultForClients({ isError: false, content: { any: 'json' } })).toEqual({ any: 'json' });
});

test.each<ToolResult>([
  { isError: false, content: { any: ['json', 1, null] } },
  { isError: true, errorCode: 'http_status', content: { status: 500, body: '{"a":1}' } },
  { isError: false, content: null },
  { isError: false, content: '{"looks":"like json"}' },
  result,
])('a result is the same to clients once it is remembered: %j', (given) => {
  expect(resultForClients(journaled(given))).toEqual(resultForClients(given));
});
