import { describe, expect, test } from '@jest/globals';
import type { Frame, FrameEnd } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import { renderChat, renderChatNotice } from './agent-chat-wire.ts';

const run = { runId: newId('run', Date.UTC(2026, 10, 22, 10, 0, 0, 900)), engine: 'tim-large' };
const head = { id: `chatcmpl-${run.runId}`, object: 'chat.completion.chunk', created: Date.UTC(2026, 10, 22, 10) / 1000, model: 'tim-large' };
const render = (frame: Omit<Frame, 'seq'>, includesUsage = false) => renderChat({ seq: 7, ...frame }, run, includesUsage);
const end = (value: FrameEnd) => ({ kind: 'end', text: JSON.stringify(value) }) as const;
/** What the lines of a stream say. */
const dataOf = (text: string) => text.split('\n\n').filter((event) => event !== '').map((event) => JSON.parse(event.replace(/^data: /, '')) as unknown);

describe('a frame for chat clients', () => {
  test('is a chunk with the role, or with text', () => {
    expect(dataOf(render({ kind: 'started', text: '' }))).toEqual([{ ...head, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }]);
    expect(dataOf(render({ kind: 'text', text: '{"reasoning":[' }))).toEqual([{ ...head, choices: [{ index: 0, delta: { content: '{"reasoning":[' }, finish_reason: null }] }]);
  });

  test('is one line of ASCII without a number, whatever it says', () => {
    const text = 'caf\u00e9 \u2028 \u{1f600} \u0085';
    const line = render({ kind: 'text', text });
    expect(line).toMatch(/^data: [\x20-\x7e]+\n\n$/);
    expect(dataOf(line)).toMatchObject([{ choices: [{ delta: { content: text } }] }]);
  });

  test('is nothing, where a completion cannot show it', () => {
    expect([render({ kind: 'node', text: '{"title":"x"}' }), render({ kind: 'call', text: '{}' })]).toEqual(['', '']);
  });

  test('that is the last says that the completion is whole, and on demand what it used', () => {
    const done = end({ status: 'succeeded', result: { answer: 'x' }, usage: { inputTokens: 7, outputTokens: 3, durationMs: 1, toolCalls: {} } });
    const last = { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
    expect(dataOf(render(done))).toEqual([last]);
    expect(dataOf(render(done, true))).toEqual([last, { ...head, choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } }]);
  });

  test('that is the last of a run without success is its error', () => {
    expect(dataOf(render(end({ status: 'failed', error: { code: 'turn_limit', message: 'Too many.' } }), true))).toEqual([{ error: { message: 'Too many.', type: 'turn_limit', code: 'turn_limit', param: null } }]);
  });
});

test('a server that goes away says so, and ends the stream', () => {
  expect(renderChatNotice('service_unavailable', 'Later.')).toBe('data: {"error":{"message":"Later.","type":"service_unavailable","code":"service_unavailable","param":null}}\n\ndata: [DONE]\n\n');
});
