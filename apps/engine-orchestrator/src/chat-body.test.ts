import { expect, test } from '@jest/globals';
import { ChatRequest, type Engine } from '@nightshift/contracts';
import type { Target } from './catalogue.ts';
import { chatBody, outputBound, plainTargets, requestTexts, requestTokens } from './chat-body.ts';

const target = (upstream: string, model: string, more: Partial<Target> = {}): Target => ({ upstream, model, responseFormat: 'none', ...more });
const given = { tokens: 7, isGiven: true };
const request = (more: object = {}): ChatRequest => ChatRequest.parse({ model: 'acme/chat', messages: [{ role: 'user', content: 'hi' }], ...more });
const engine = (outputTokens?: number): Engine => ({ id: 'e', aliases: [], upstreams: [], prices: { input: 1, output: 1 }, limits: { contextTokens: 10, ...(outputTokens !== undefined && { outputTokens }) } });

test('a model that was named is asked first, then what its engine falls back on', () => {
  const targets = [target('a', 'x'), target('b', 'y'), target('c', 'y')];
  expect(plainTargets(targets, undefined)).toBe(targets);
  expect(plainTargets(targets, 'y').map(({ upstream }) => upstream)).toEqual(['b', 'c', 'a']);
});

test('the lower of the bounds of engine and key counts', () => {
  expect([outputBound(engine()), outputBound(engine(9)), outputBound(engine(), { outputTokens: 5 }), outputBound(engine(9), { outputTokens: 5 }), outputBound(engine(3), { outputTokens: 5 })]).toEqual([
    undefined, { tokens: 9, isGiven: false }, { tokens: 5, isGiven: true }, { tokens: 5, isGiven: true }, { tokens: 3, isGiven: true },
  ]);
});

test('the body is the client’s own but for the model, the usage of a stream, and its bounds', () => {
  expect(chatBody(request({ odd: [1] }), target('a', 'x'), undefined)).toEqual({ ...request({ odd: [1] }), model: 'x' });
  expect(chatBody(request({ stream: true, stream_options: { odd: 1, include_usage: false } }), target('a', 'x'), undefined)).toMatchObject({ stream_options: { odd: 1, include_usage: true } });
  expect(chatBody(request(), target('a', 'x', { reasoningEffort: 'low' }), given)).toMatchObject({ max_tokens: 7, reasoning_effort: 'low' });
  expect(chatBody(request({ max_completion_tokens: 9, reasoning_effort: 'high' }), target('a', 'x', { reasoningEffort: 'low' }), { ...given, isGiven: false })).toMatchObject({ max_completion_tokens: 7, reasoning_effort: 'high' });
  expect(chatBody(request({ max_tokens: 9, max_completion_tokens: 8 }), target('a', 'x'), given)).toMatchObject({ max_tokens: 7, max_completion_tokens: 7 });
  expect(chatBody(request({ max_tokens: 9, max_completion_tokens: 3 }), target('a', 'x'), given)).toMatchObject({ max_tokens: 7, max_completion_tokens: 3 });
  expect(chatBody(request({ max_completion_tokens: 9 }), target('a', 'x'), given)).not.toHaveProperty('max_tokens');
  expect(chatBody(request({ max_tokens: null }), target('a', 'x'), given)).toMatchObject({ max_tokens: 7 });
  expect(chatBody(request(), target('a', 'x'), { ...given, isGiven: false })).not.toHaveProperty('max_tokens');
});

test('the texts of a request are all that a model reads, whatever their shape', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const messages = [{ role: 'system', content: 'a' }, { role: 'user', content: [{ type: 'text', text: 'b' }, { type: 'image_url', image_url: { url: 'data:' } }, 'odd'] }, { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: '{}' } }, null] }, 'odd'];
  expect(requestTexts({ messages, tools })).toEqual([JSON.stringify(tools), 'a', 'b', 'f', '{}', '', '']);
  expect([requestTexts({}), requestTokens({ messages: [{ content: 'x'.repeat(9) }] })]).toEqual([[], 3]);
});
