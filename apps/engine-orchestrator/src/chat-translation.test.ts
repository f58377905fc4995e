import { describe, expect, test } from '@jest/globals';
import { completionOf, deltaChunk, firstChunk, lastChunks, modelRequestOf } from './chat-translation.ts';
import type { ModelReply } from './model.ts';

const messages = [{ role: 'user', content: 'hi' }];
const reply: ModelReply = { content: 'hello', reasoning: 'hm', toolCalls: [], finishReason: 'stop', usage: { inputTokens: 4, outputTokens: 2, cachedInputTokens: 1, estimated: [] }, model: 'real' };

describe('a chat request for another wire', () => {
  test('keeps what that can say', () => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } };
    expect(
      modelRequestOf({
        model: 'm', max_tokens: 5, temperature: 0.5, top_p: 0.9, stop: 'end', reasoning_effort: 'low', seed: 4, tool_choice: { type: 'function', function: { name: 'f' } },
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } }, tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } }],
        messages: [{ role: 'developer', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] }, { role: 'user', content: [{ type: 'text', text: 'c' }, image] }, { role: 'assistant', content: null, tool_calls: [call] }, { role: 'tool', tool_call_id: 'c', content: 'r' }],
      }),
    ).toEqual({
      model: 'm', maxTokens: 5, temperature: 0.5, topP: 0.9, stop: ['end'], reasoningEffort: 'low', toolChoice: { name: 'f' },
      responseFormat: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } }, tools: [{ name: 'f', description: 'd', parameters: { type: 'object' } }],
      messages: [{ role: 'system', content: 'ab' }, { role: 'user', content: [{ type: 'text', text: 'c' }, { type: 'image_url', image_url: { url: image.image_url.url } }] }, { role: 'assistant', content: '', tool_calls: [call] }, { role: 'tool', tool_call_id: 'c', content: 'r' }],
    });
    expect(modelRequestOf({ model: 'm', messages, max_tokens: 5, max_completion_tokens: 6, stop: ['a', 'b'], tool_choice: 'required' })).toMatchObject({ maxTokens: 6, stop: ['a', 'b'], toolChoice: 'required', tools: [] });
  });

  test.each([
    ['n', { n: 2 }],
    ['messages.0.role', { messages: [{ role: 'critic', content: 'x' }] }],
    ['messages.0.content.0', { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] }],
    ['tools.0', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
  ])('is refused for %s, which that cannot say', (param, more) => {
    expect(() => modelRequestOf({ model: 'm', messages, ...more })).toThrow(expect.objectContaining({ kind: 'rejected', said: expect.objectContaining({ param }) }));
  });
});

test('a reply is a whole completion', () => {
  expect(completionOf(reply, 7)).toEqual({
    object: 'chat.completion', created: 7, choices: [{ index: 0, message: { role: 'assistant', content: 'hello', reasoning_content: 'hm' }, finish_reason: 'stop', logprobs: null }],
    usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6, prompt_tokens_details: { cached_tokens: 1 } },
  });
  expect(completionOf({ ...reply, content: '', toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }], finishReason: 'tool_calls', usage: { ...reply.usage, estimated: ['output'] } }, 7)).toMatchObject({
    choices: [{ message: { content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }, finish_reason: 'tool_calls' }],
  });
  expect(completionOf({ ...reply, usage: { ...reply.usage, estimated: ['output'] } }, 7)).not.toHaveProperty('usage');
});

test('a reply in pieces says who speaks at its begin alone, and ends with its calls, why it ended, and the usage', () => {
  expect(firstChunk(7)).toEqual({ object: 'chat.completion.chunk', created: 7, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null, logprobs: null }] });
  expect(deltaChunk({ kind: 'reasoning', text: 'h' }, 7)).toEqual({ object: 'chat.completion.chunk', created: 7, choices: [{ index: 0, delta: { reasoning_content: 'h' }, finish_reason: null, logprobs: null }] });
  expect(lastChunks({ ...reply, toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }], finishReason: 'tool_calls' }, 7)).toMatchObject([
    { choices: [{ delta: { tool_calls: [{ index: 0, id: 'c', type: 'function' }] }, finish_reason: null }] },
    { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
    { choices: [], usage: { total_tokens: 6 } },
  ]);
});
