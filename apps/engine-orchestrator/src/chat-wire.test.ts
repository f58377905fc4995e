import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chunksOf, eventOf, type Json } from './chat-wire.ts';

test('an event is one line for every reader of lines, and holds what it was made of', () => {
  const text = eventOf({ a: 'x\u0085y\u2028z\u2029\r\n\u00e9' });
  expect(text).toMatch(/^data: [^\n\r\u0085\u2028\u2029]*\n\n$/);
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (value) => {
      const event = eventOf(value as Json);
      expect(event.slice(6, -2)).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
      expect(JSON.parse(event.slice(6))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a whole completion has the chunks of a stream: one for each choice, calls numbered, the usage last', () => {
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };
  const message = { role: 'assistant', content: null, tool_calls: [call, call], extra: 1 };
  const chunks = chunksOf({ id: 'x', object: 'chat.completion', created: 3, fingerprint: 'fp', choices: [{ index: 0, message, finish_reason: 'tool_calls', logprobs: null }, { index: 1, message: { content: 'b' }, finish_reason: 'stop' }], usage: { prompt_tokens: 1 } });
  const head = { id: 'x', object: 'chat.completion.chunk', created: 3, fingerprint: 'fp' };
  expect(chunks).toEqual([
    { ...head, choices: [{ index: 0, finish_reason: 'tool_calls', logprobs: null, delta: { ...message, tool_calls: [{ index: 0, ...call }, { index: 1, ...call }] } }] },
    { ...head, choices: [{ index: 1, finish_reason: 'stop', delta: { content: 'b' } }] },
    { ...head, choices: [], usage: { prompt_tokens: 1 } },
  ]);
  expect(chunksOf({ choices: 'none' })).toEqual([]);
});
