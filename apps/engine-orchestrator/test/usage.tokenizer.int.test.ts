import { expect, jest, test } from '@jest/globals';
import type { ModelReply, ModelRequest } from '../src/model.ts';

let loads = 0;
jest.unstable_mockModule('gpt-tokenizer/encoding/o200k_base', () => {
  loads += 1;
  if (loads === 1) throw new Error('its tables cannot be read');
  return { countTokens: (text: string) => text.split(' ').length };
});
const { settled } = await import('../src/usage.tokenizer.ts');

const request: ModelRequest = { model: 'm', messages: [{ role: 'user', content: 'four words of input' }], tools: [] };
const reply: ModelReply = { content: 'two words', toolCalls: [], finishReason: 'stop', model: 'm', usage: { inputTokens: 5, outputTokens: 3, cachedInputTokens: 0, estimated: ['input', 'output'] } };

test('without its tokenizer a reply keeps the counts that were estimated by its characters, and the next one has it again', async () => {
  expect(await settled(request, reply)).toEqual(reply);
  expect(await settled(request, reply)).toEqual({ ...reply, usage: { ...reply.usage, inputTokens: 4, outputTokens: 2 } });
  expect(loads).toBe(2);
});

test('a reply that was counted by its upstream needs no tokenizer', async () => {
  const counted = { ...reply, usage: { ...reply.usage, estimated: [] } };
  expect(await settled(request, counted)).toBe(counted);
});
