import { expect, test } from '@jest/globals';
import { CompletionRequest } from '@nightshift/contracts';
import { chatRequestOf, promptsOf, textChunkOf, textCompletionOf, usageChunkOf } from './text-completion.ts';

const request = (more: object = {}) => CompletionRequest.parse({ model: 'acme/chat', prompt: ['once', 'twice'], ...more });
const logprobs = { content: [{ token: 'a', logprob: -1, top_logprobs: [{ token: 'a', logprob: -1 }, { token: 'b', logprob: -2 }] }, { token: 'bc', logprob: -3, top_logprobs: [] }] };
const completion = (text: string) => ({ id: 'chatcmpl-1', created: 3, model: 'acme/chat', extra: 1, choices: [{ index: 0, message: { content: text }, finish_reason: 'stop', logprobs: null }, { index: 1, message: { content: text }, finish_reason: 'length', logprobs }], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, cost: 9 } });

test('each prompt is a message, and the parameters go on as they are', () => {
  expect(promptsOf(request({ prompt: 'one' }))).toEqual(['one']);
  expect(chatRequestOf(request({ n: 2, logprobs: 3, echo: true, best_of: 4 }), 'once')).toEqual({ success: true, data: { model: 'acme/chat', n: 2, logprobs: true, top_logprobs: 3, best_of: 4, messages: [{ role: 'user', content: 'once' }] } });
  expect(chatRequestOf(request({ logprobs: 0 }), 'once').data).toMatchObject({ logprobs: true });
  expect(chatRequestOf(request({ logprobs: null }), 'once').data).not.toHaveProperty('logprobs');
});

test('the completions of all prompts are one, their choices numbered on', () => {
  const whole = textCompletionOf([completion('a'), completion('b')], request({ n: 2, echo: true }));
  expect(whole).toMatchObject({ id: 'cmpl-1', object: 'text_completion', created: 3, extra: 1, usage: { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 } });
  expect((whole['choices'] as { index: number; text: string }[]).map(({ index, text }) => [index, text])).toEqual([[0, 'oncea'], [1, 'oncea'], [2, 'twiceb'], [3, 'twiceb']]);
  expect(textCompletionOf([completion('a')], request())['usage']).toMatchObject({ cost: 9 });
});

test('what is known of the tokens has the old form', () => {
  const [plain, known] = textCompletionOf([completion('abc')], request())['choices'] as { logprobs: unknown; finish_reason: string }[];
  expect([plain!.logprobs, plain!.finish_reason]).toEqual([null, 'stop']);
  expect(known!.logprobs).toEqual({ tokens: ['a', 'bc'], token_logprobs: [-1, -3], top_logprobs: [{ a: -1, b: -2 }, {}], text_offset: [0, 1] });
});

test('a chunk is one of a text, with the prompt where it begins; one with nothing but usage is none', () => {
  const chunk = { id: 'chatcmpl-1', model: 'acme/chat', choices: [{ index: 0, delta: { role: 'assistant', content: 'a' }, finish_reason: null }], usage: null };
  expect(textChunkOf(chunk, 1, request({ echo: true }), new Set())).toMatchObject({ id: 'cmpl-1', object: 'text_completion', choices: [{ index: 1, text: 'twicea', finish_reason: null }] });
  expect(textChunkOf({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }, 0, request({ echo: true }), new Set([0]))).toMatchObject({ choices: [{ text: '', finish_reason: 'stop' }] });
  expect(textChunkOf({ ...chunk, choices: [] }, 0, request(), new Set())).toBeUndefined();
  expect(usageChunkOf({ id: 'chatcmpl-1', created: 2, model: 'm' }, [{ prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }])).toEqual({ id: 'cmpl-1', object: 'text_completion', created: 2, model: 'm', choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } });
});

test.each([['in each chunk', 2], ['in the first', 1], ['in none', 0]])('the prompt comes once in each choice of a stream that names who speaks %s', (_where, roles) => {
  const begun = new Set<number>();
  const texts = ['', '', '', ''];
  for (const at of [0, 1]) {
    for (const [said, content] of ['a', 'b'].entries()) {
      const choices = [0, 1].map((index) => ({ index, delta: { ...(said < roles && { role: 'assistant' }), content }, finish_reason: null }));
      const told = textChunkOf({ id: 'chatcmpl-1', choices }, at, request({ n: 2, echo: true }), begun);
      for (const { index, text } of told!['choices'] as { index: number; text: string }[]) texts[index] += text;
    }
  }
  expect(texts).toEqual(['onceab', 'onceab', 'twiceab', 'twiceab']);
});
