import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type FakeModel, startFakeModel, waitFor } from '@nightshift/testing';
import { ask, chatCall, chatStage, dataOf, textOf } from './chat-stage.ts';

let stage: Awaited<ReturnType<typeof chatStage>>;
let model: FakeModel;
beforeAll(async () => {
  [stage, model] = await Promise.all([chatStage(), startFakeModel()]);
});
afterEach(async () => {
  await stage.clear();
  model.reset();
});
afterAll(async () => {
  await stage.close();
  await model.close();
});

const chats = () => stage.chats({ engine: { upstreams: [{ name: 'first', model: 'claude' }] }, first: { kind: 'anthropic', baseUrl: model.baseUrl } }).chats;
const say = (script: string, more: object = {}) => chatCall({ messages: [{ role: 'system', content: 'brief' }, { role: 'user', content: `[[${script}]]` }], max_tokens: 50, stop: ['end'], ...more });
const tools = [{ type: 'function' as const, function: { name: 'lookup', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];

test('a call of an upstream that speaks Anthropic messages is translated both ways', async () => {
  const call = say('answer:hello');
  const answer = JSON.parse(await textOf(await ask(chats(), call))) as object;
  expect(answer).toMatchObject({ id: call.callId, object: 'chat.completion', model: 'acme/chat', choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }], usage: { completion_tokens: 20 } });
  expect(model.recent()[0]!.body).toMatchObject({ model: 'claude', max_tokens: 50, stop_sequences: ['end'] });
  await stage.settle();
  expect(stage.published).toMatchObject([{ runId: call.callId, outputTokens: 20 }]);
});

test('streamed and with tools it is one too, and the loop goes on with their results', async () => {
  const text = await textOf(await ask(chats(), say('tools:1 answer:done', { stream: true, tools, stream_options: { include_usage: true } })));
  const data = dataOf(text) as { choices: { delta: { role?: string; tool_calls?: { id: string; function: { name: string; arguments: string } }[] }; finish_reason: string | null }[]; usage?: object }[];
  const [called] = data.flatMap((chunk) => chunk.choices?.flatMap(({ delta }) => delta.tool_calls ?? []) ?? []);
  expect(called).toMatchObject({ index: 0, type: 'function', function: { name: 'lookup', arguments: '{"city":"text 0"}' } });
  expect(data.slice(-2)).toMatchObject([{ choices: [], usage: { completion_tokens: 20 } }, '[DONE]']);
  expect(data.flatMap((chunk) => chunk.choices?.map(({ delta }) => delta.role) ?? []).filter((role) => role !== undefined)).toEqual(['assistant']);
  const { index: _, ...told } = called as typeof called & { index: number };
  const { messages } = say('tools:1 answer:done').request;
  const loop = await ask(chats(), say('', { tools, messages: [...messages, { role: 'assistant', content: null, tool_calls: [told] }, { role: 'tool', tool_call_id: told!.id, content: 'grey' }] }));
  expect(JSON.parse(await textOf(loop))).toMatchObject({ choices: [{ message: { content: 'done' }, finish_reason: 'stop' }] });
});

test('what that wire cannot say is a 400 that names it, and never reaches the upstream', async () => {
  const answer = await ask(chats(), say('answer:x', { n: 2 }));
  expect([answer.status, JSON.parse(await textOf(answer))]).toMatchObject([400, { error: { code: 'invalid_request', param: 'n' } }]);
  expect(model.recent()).toEqual([]);
});

test('a client that leaves ends the request upstream', async () => {
  const leave = new AbortController();
  const answer = ask(chats(), say('run:left hang:1', { stream: true }), leave.signal);
  await waitFor(() => model.run('left')?.requests === 1);
  leave.abort();
  await answer;
  expect(await waitFor(() => model.run('left')?.aborted)).toBe(1);
});
