import { expect, test } from '@jest/globals';
import { ChatMeter } from './chat-meter.ts';
import { ChatRelay } from './chat-relay.ts';

const facts = { id: 'chatcmpl-1', model: 'acme/chat' };
const chunk = { id: 'theirs', created: 4, model: 'real', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'a' } }], extra: { deep: 1 } };
const usage = { prompt_tokens: 1, completion_tokens: 2 };

test('a chunk is as it was, under the client’s names', () => {
  const relay = new ChatRelay(facts, false, new ChatMeter());
  expect(relay.add([chunk])).toBe(`data: ${JSON.stringify({ ...chunk, ...facts })}\n\n`);
});

test('the usage that nobody asked for is not shown, and the rest of its chunk is', () => {
  const relay = new ChatRelay(facts, false, new ChatMeter());
  expect(relay.add([{ ...chunk, usage: null }, { ...chunk, choices: [], usage }])).toBe(`data: ${JSON.stringify({ ...chunk, ...facts })}\n\n`);
  expect(relay.add([{ ...chunk, usage }])).toBe(`data: ${JSON.stringify({ ...chunk, ...facts })}\n\n`);
  expect(relay.add([{ ...chunk, choices: [] }])).toContain('"choices":[]');
  expect(relay.end(usage)).toBe('');
});

test('the usage that was asked for is shown once, by the upstream or by us', () => {
  const told = new ChatRelay(facts, true, new ChatMeter());
  expect(told.add([{ ...chunk, choices: [], usage }])).toContain('"usage":{"prompt_tokens":1');
  expect(told.end(usage)).toBe('');
  const counted = new ChatRelay(facts, true, new ChatMeter());
  counted.add([chunk]);
  expect(JSON.parse(counted.end(usage).slice(6))).toEqual({ ...facts, object: 'chat.completion.chunk', created: 4, choices: [], usage });
});
