import { describe, expect, test } from '@jest/globals';
import type { ModelMessage, ModelTool } from './model.ts';
import { OFFLINE_LABEL, type OfflineReply, type OfflineRequest, offlineReply } from './offline-engine.ts';
import { ownNames, planOffers } from './planner.ts';
import { offlineCompletion, offlineEvents } from './offline-wire.ts';

function tool(name: string, properties: object = {}, required: string[] = []): { function: ModelTool } {
  return { function: { name, parameters: { type: 'object', properties, required } } };
}

const weather = tool('get_weather', { city: { type: 'string' }, days: { type: 'integer' }, unit: { enum: ['celsius', 'kelvin'] } }, ['city', 'days', 'unit']);
const send = tool('send_mail', { to: { type: 'string', format: 'email' }, subject: { type: 'string' } }, ['to', 'subject']);

function ask(text: string, tools = [weather, send], more: Partial<OfflineRequest> = {}): OfflineRequest {
  return { model: 'm', messages: [{ role: 'system', content: 'call send_mail always' }, { role: 'user', content: text }], tools, ...more };
}

/** Answers every call with its name until there is an answer. */
function play(request: OfflineRequest): { turns: string[][]; last: OfflineReply } {
  const messages: ModelMessage[] = [...request.messages];
  const turns: string[][] = [];
  for (;;) {
    const reply = offlineReply({ ...request, messages });
    if (reply.calls.length === 0) return { turns, last: reply };
    turns.push(reply.calls.map(({ name }) => name));
    messages.push({ role: 'assistant', content: null, tool_calls: reply.calls.map((call) => ({ id: call.id, type: 'function', function: call })) });
    messages.push(...reply.calls.map((call): ModelMessage => ({ role: 'tool', tool_call_id: call.id, content: `result of ${call.name}` })));
  }
}

describe('the offline engine', () => {
  test('answers without tools, and says what it is and how to get a model', () => {
    const reply = offlineReply(ask('Tell me a joke', []));
    expect(reply.text.startsWith(OFFLINE_LABEL)).toBe(true);
    expect(reply.text).toContain('UPSTREAM_BASE_URL');
    expect(reply.text).toContain('Tell me a joke');
    expect(reply.finishReason).toBe('stop');
  });

  test('calls each offered tool once in order when the instructions name none, and tells their results', () => {
    const { turns, last } = play(ask('Do what you can'));
    expect(turns).toEqual([['get_weather'], ['send_mail']]);
    expect(last.text).toContain('Tool get_weather: result of get_weather\nTool send_mail: result of send_mail');
  });

  test('calls only the tools that the instructions name, those of one sentence together', () => {
    expect(play(ask('Use send_mail.')).turns).toEqual([['send_mail']]);
    expect(play(ask('Use send mail and get_weather together.')).turns).toEqual([['send_mail', 'get_weather']]);
    expect(play(ask('Use send_mail. Then use get_weather.')).turns).toEqual([['send_mail'], ['get_weather']]);
    expect(play(ask('resend_mails get_weatherman')).turns).toEqual([['get_weather'], ['send_mail']]);
  });

  test('works off a list point by point as subtasks, and answers with their conclusions', () => {
    const planning = planOffers(ownNames([], false)).map((offer) => ({ function: offer }));
    const { turns, last } = play(ask('Please:\n1. Use get_weather for city Oslo\n2. Use send_mail\n3. Rest', [weather, send, ...planning]));
    expect(turns).toEqual([['open_subtasks'], ['get_weather'], ['conclude_subtask'], ['send_mail'], ['conclude_subtask'], ['conclude_subtask']]);
    expect(last.text).toContain('1. Tool get_weather: result of get_weather\n2. Tool send_mail: result of send_mail\n3. No tool was named');
    expect(play(ask('- one\n- two', [weather])).turns).toEqual([['get_weather']]);
  });

  test('calls at most eight tools unasked', () => {
    expect(play(ask('go', Array.from({ length: 20 }, (_, i) => tool(`t${i}`)))).turns).toHaveLength(8);
  });

  test('takes arguments from what the instructions state, from their quotes, and from the schema', () => {
    const [call] = offlineReply(ask('get_weather for city Oslo over 3 days')).calls;
    expect(JSON.parse(call!.arguments)).toEqual({ city: 'Oslo', days: 3, unit: 'celsius' });
    const [mail] = offlineReply(ask('send_mail saying "hello you"')).calls;
    expect(JSON.parse(mail!.arguments)).toEqual({ to: 'someone@example.com', subject: 'hello you' });
  });

  test('takes what there is to calculate for a tool that calculates', () => {
    const calculator = tool('calculator', { expression: { type: 'string' } }, ['expression']);
    const asked = ['calculator 2+2', 'In 2026, what is (3 + 4) * 5 with the calculator?', 'Use the calculator.'].map((text) => JSON.parse(offlineReply(ask(text, [calculator])).calls[0]!.arguments).expression);
    expect(asked).toEqual(['2+2', '(3 + 4) * 5', 'Use the calculator.']);
  });

  test('heeds tool_choice', () => {
    expect(offlineReply(ask('go', [weather], { tool_choice: 'none' })).calls).toEqual([]);
  });

  test('answers in the asked format, with its label in the first free text', () => {
    const schema = { type: 'object', properties: { title: { type: 'string' }, body: { type: 'string' }, score: { type: 'integer' } }, required: ['title', 'body', 'score'] };
    const answer = JSON.parse(offlineReply(ask('x', [], { response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } })).text);
    expect(answer).toEqual({ title: expect.stringContaining(OFFLINE_LABEL), body: '[offline engine]', score: 1 });
    expect(JSON.parse(offlineReply(ask('x', [], { response_format: { type: 'json_object' } })).text)).toEqual({ answer: expect.stringContaining(OFFLINE_LABEL) });
  });

  test('gives the same bytes for the same request, and other ids for another', () => {
    expect(offlineEvents(ask('go'))).toEqual(offlineEvents(ask('go')));
    expect(offlineReply(ask('go')).calls[0]!.id).not.toBe(offlineReply(ask('come')).calls[0]!.id);
  });

  test('says the same streamed, in several pieces, and not', () => {
    const events = offlineEvents(ask(`${'😀'.repeat(100)} joke`, []));
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)));
    const streamed = chunks.flatMap((chunk) => chunk.choices.map((choice: { delta: { content?: string } }) => choice.delta.content ?? ''));
    const whole = JSON.parse(offlineCompletion(ask(`${'😀'.repeat(100)} joke`, [])));
    expect(streamed.filter(Boolean).length).toBeGreaterThan(3);
    expect(streamed.every((piece) => piece.isWellFormed())).toBe(true);
    expect(streamed.join('')).toBe(whole.choices[0].message.content);
    expect(chunks.at(-1).usage).toEqual(whole.usage);
  });

  test('keeps its answer short, however long the tool results are', () => {
    const messages: ModelMessage[] = [{ role: 'user', content: 'x'.repeat(100_000) }, { role: 'tool', tool_call_id: 'c', content: 'y'.repeat(300_000) }];
    expect(offlineReply({ model: 'm', messages }).text.length).toBeLessThan(2_000);
  });
});
