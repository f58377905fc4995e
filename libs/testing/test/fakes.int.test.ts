import { afterEach, describe, expect, test } from '@jest/globals';
import { type FakeEndpoint, type FakeModel, startFakeEndpoint, startFakeModel, waitFor } from '../src/index.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function model(): Promise<FakeModel> {
  const fake = await startFakeModel();
  cleanups.push(() => fake.close());
  return fake;
}

async function endpoint(): Promise<FakeEndpoint> {
  const fake = await startFakeEndpoint();
  cleanups.push(() => fake.close());
  return fake;
}

type Message = { role: string; content?: string; tool_calls?: { id: string; function: { name: string; arguments: string } }[]; tool_call_id?: string };
const tools = ['first', 'second'].map((name) => ({ type: 'function', function: { name, parameters: { properties: { n: { type: 'integer' } } } } }));

async function ask(fake: FakeModel, messages: Message[], init: RequestInit = {}): Promise<Response> {
  const body = JSON.stringify({ model: 'm', messages, tools, stream: false });
  return fetch(`${fake.baseUrl}/chat/completions`, { method: 'POST', body, ...init });
}

async function turn(fake: FakeModel, messages: Message[]): Promise<Message> {
  const reply = (await (await ask(fake, messages)).json()) as { choices: { message: Message }[] };
  return reply.choices[0]!.message;
}

describe('the fake model', () => {
  test('makes as many turns of tool calls as the instructions say, then answers', async () => {
    const fake = await model();
    const messages: Message[] = [{ role: 'user', content: 'Do [[run:a tools:2 parallel:2 answer:"well done"]]' }];
    for (const round of [0, 1]) {
      const message = await turn(fake, messages);
      expect(message.tool_calls?.map((call) => [call.function.name, call.function.arguments])).toEqual([['first', `{"n":${round * 2}}`], ['second', `{"n":${round * 2 + 1}}`]]);
      messages.push(message, ...message.tool_calls!.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'r' })));
    }
    expect(await turn(fake, messages)).toEqual({ role: 'assistant', content: 'well done' });
    expect(fake.run('a')).toMatchObject({ requests: 3, answered: 3, aborted: 0 });
  });

  test('fails the first requests of each run and no later one', async () => {
    const fake = await model();
    const statuses: [number, string | null][] = [];
    for (let i = 0; i < 3; i += 1) {
      const response = await ask(fake, [{ role: 'user', content: '[[run:a fail:429x2 retry:7]]' }]);
      statuses.push([response.status, response.headers.get('retry-after')]);
    }
    expect(statuses).toEqual([[429, '7'], [429, '7'], [200, null]]);
    expect((await ask(fake, [{ role: 'user', content: '[[run:b fail:503x1]]' }])).status).toBe(503);
  });

  test('cuts a stream, hangs and counts who went away', async () => {
    const fake = await model();
    await expect(ask(fake, [{ role: 'user', content: '[[run:a cut:1]]' }]).then((response) => response.text())).rejects.toThrow();
    const stop = new AbortController();
    const hanging = ask(fake, [{ role: 'user', content: '[[run:b hang:1]]' }], { signal: stop.signal });
    await waitFor(() => fake.record().inFlight === 1);
    stop.abort();
    await expect(hanging).rejects.toThrow();
    await waitFor(() => fake.run('b')?.aborted === 1 && fake.record().inFlight === 0);
    expect((await turn(fake, [{ role: 'user', content: '[[run:b hang:1 answer:late]]' }])).content).toBe('late');
  });

  test('tells whoever listens which runs it has answered, and not of their tool turns', async () => {
    const fake = await model();
    const lines = (await fetch(`${fake.url}/answers`)).body!.pipeThrough(new TextDecoderStream()).getReader();
    await turn(fake, [{ role: 'user', content: '[[run:a tools:1]]' }]);
    await turn(fake, [{ role: 'user', content: '[[run:b]]' }]);
    expect((await lines.read()).value).toBe('b\n');
    await lines.cancel();
  });

  test('answers what a hostile model might', async () => {
    const fake = await model();
    expect((await turn(fake, [{ role: 'user', content: '[[big:4000000]]' }])).content).toHaveLength(4_000_000);
    expect((await turn(fake, [{ role: 'user', content: '[[nul:1]]' }])).content).toContain('\u0000');
    expect((await turn(fake, [{ role: 'user', content: '[[tools:1 badargs:1]]' }])).tool_calls?.[0]?.function.arguments).toBe('{"n":0');
  });
});

describe('the fake endpoint', () => {
  test('records tool effects by their key, so that a repeated one shows', async () => {
    const fake = await endpoint();
    for (const key of ['call_1', 'call_1', 'call_2']) {
      await fetch(`${fake.url}/tool/echo`, { method: 'POST', body: '{"a":1}', headers: { 'idempotency-key': key } });
    }
    expect([...fake.effects()].map(([key, list]) => [key, list.length])).toEqual([['call_1', 2], ['call_2', 1]]);
    expect(fake.requests()[0]).toMatchObject({ seq: 1, method: 'POST', path: '/tool/echo', body: '{"a":1}', status: 200 });
  });

  test('fails the first deliveries of each id only', async () => {
    const fake = await endpoint();
    const post = async (id: string) =>
      (await fetch(`${fake.url}/hook/a?fail=1&status=503`, { method: 'POST', body: '{}', headers: { 'x-webhook-delivery-id': id } })).status;
    expect([await post('d1'), await post('d1'), await post('d2')]).toEqual([503, 200, 503]);
  });

  test('answers each path in its own way', async () => {
    const fake = await endpoint();
    const text = async (path: string) => (await fetch(`${fake.url}${path}`, { redirect: 'manual' })).text();
    expect(await text('/tool/echo?q=1')).toBe('{"tries":1,"received":{"q":"1"}}');
    expect((await fetch(`${fake.url}/tool/status/418`)).status).toBe(418);
    expect(await text('/tool/big?bytes=5000')).toHaveLength(5011);
    expect(await text('/tool/nul')).toContain('\\u0000');
    const record = (await (await fetch(`${fake.url}/record?since=2&prefix=/tool/b`)).json()) as { requests: { path: string }[]; next: number };
    expect([record.requests.map(({ path }) => path), record.next]).toEqual([['/tool/big'], 5]);
  });
});
