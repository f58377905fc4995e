import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ModelClient, createModelClient } from '../src/model.client.ts';
import type { ModelMessage, ModelRequest } from '../src/model.ts';
import { OFFLINE_LABEL } from '../src/offline-engine.ts';
import { type OfflineEngine, startOfflineEngine } from '../src/offline-engine.server.ts';

let engine: OfflineEngine;
let client: ModelClient;

beforeAll(async () => {
  engine = await startOfflineEngine();
  client = createModelClient({ baseUrl: engine.baseUrl, idleTimeoutMs: 5_000, firstByteTimeoutMs: 5_000, connections: 4 });
});

afterAll(async () => {
  await client.close();
  await engine.close();
});

const request: ModelRequest = {
  model: 'tim-gpt',
  messages: [{ role: 'user', content: 'Use lookup and store.' }],
  tools: ['lookup', 'store'].map((name) => ({ name, parameters: { type: 'object', properties: { q: { type: 'string' } } } })),
};

test('the model client drives the offline engine through a run with parallel tools', async () => {
  const first = await client.complete(request);
  expect(first.toolCalls.map(({ name, arguments: given }) => [name, JSON.parse(given)])).toEqual([
    ['lookup', { q: 'Use lookup and store.' }],
    ['store', { q: 'Use lookup and store.' }],
  ]);
  expect(first).toMatchObject({ finishReason: 'tool_calls', model: 'tim-gpt', usage: { estimated: [] } });
  const messages: ModelMessage[] = [
    ...request.messages,
    { role: 'assistant', content: null, tool_calls: first.toolCalls.map((call) => ({ id: call.id, type: 'function', function: call })) },
    ...first.toolCalls.map((call): ModelMessage => ({ role: 'tool', tool_call_id: call.id, content: `${call.name} is done` })),
  ];
  const deltas: string[] = [];
  const last = await client.complete({ ...request, messages }, { onDelta: ({ text }) => deltas.push(text) });
  expect(last.content).toContain(OFFLINE_LABEL);
  expect(last.content).toContain('Tool store: store is done');
  expect(deltas.length).toBeGreaterThan(1);
  expect(deltas.join('')).toBe(last.content);
});

test('the offline engine lists its model and refuses what is no request', async () => {
  expect(await (await fetch(`${engine.baseUrl}/models`)).json()).toMatchObject({ object: 'list', data: [{ id: 'offline' }] });
  for (const body of ['{', 'null', '{"messages":1}']) {
    expect((await fetch(`${engine.baseUrl}/chat/completions`, { method: 'POST', body })).status).toBe(400);
  }
  expect((await fetch(`${engine.baseUrl}/chat/completions`, { method: 'POST', body: '{"messages":[null]}' })).status).toBe(500);
  expect((await fetch(`${engine.baseUrl}/other`)).status).toBe(404);
});

test('the offline engine answers a request that asks for no stream', async () => {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
  const reply = (await (await fetch(`${engine.baseUrl}/chat/completions`, { method: 'POST', body })).json()) as { object: string };
  expect(reply.object).toBe('chat.completion');
});
