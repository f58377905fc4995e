import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { EnginesFile, type InternalChat } from '@nightshift/contracts';
import { InternalClient, portOf, type StreamedAnswer, type StreamTransport } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Service, Surroundings } from '@nightshift/service';
import { generateSealKeyPair } from '@nightshift/std';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import OpenAI from 'openai';
import { buildGateway, GatewayEnvironment } from '../src/index.ts';

const log = createLog({ level: 'silent', format: 'json' });
const KEY = 'sk-ns-bootstrap-key';
const file = EnginesFile.parse({
  upstreams: { one: { kind: 'openai', baseUrl: 'http://127.0.0.1:1/v1' } },
  engines: [
    { id: 'tim', upstreams: [{ name: 'one', model: 'real-model' }], prices: { input: 2, output: 8 }, limits: { contextTokens: 1000 } },
    { id: 'acme/chat', aliases: ['acme/alias'], upstreams: [{ name: 'one', model: 'org/deep/model' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 2000 } },
  ],
});

/** engine-orchestrator, as these tests want it. */
let engine: (call: InternalChat, signal: AbortSignal) => StreamedAnswer | Promise<StreamedAnswer>;
const calls: InternalChat[] = [];
const streams: StreamTransport = async ({ body }, signal) => {
  const call = JSON.parse(body) as InternalChat;
  calls.push(call);
  return engine(call, signal);
};

let database: TestDatabase;
let service: Service;
let around: Surroundings;
let baseURL: string;
let client: OpenAI;

beforeAll(async () => {
  database = await testDatabase({ template: 'empty', migrate: () => Promise.resolve() });
  const neighbour = new InternalClient(() => Promise.reject(new Error('nobody was to be asked')), 'token', undefined, streams);
  around = {
    log, bus: new LocalBus(), hints: new InProcessHints(), readiness: new ReadinessChecks(), shutdown: new Shutdown(), databaseUrl: database.url, connectionsMax: 4,
    pool: 'shared', onePool: undefined, serviceTokens: new Map(), neighbours: [], client: () => neighbour,
  };
  const environment = { ...GatewayEnvironment.parse({ ADMIN_TOKEN: 'operators-own-token', BOOTSTRAP_API_KEY: KEY, SEAL_PUBLIC_KEY: generateSealKeyPair().publicKey }), ENGINES_FILE: file };
  service = await buildGateway(environment, around);
  await service.app.listen(0, '127.0.0.1');
  baseURL = `http://127.0.0.1:${portOf(service.app)}/v1`;
  client = new OpenAI({ apiKey: KEY, baseURL, maxRetries: 0 });
});
afterEach(() => void calls.splice(0));
afterAll(async () => {
  await around.shutdown.run(log, 1000);
  await database.drop();
});

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
const json = (body: object, status = 200, headers: Record<string, string> = {}): StreamedAnswer => ({ status, headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(body) });
const completion = (call: InternalChat, content = 'hello') => json({ id: call.callId, object: 'chat.completion', created: 1, model: call.request.model, choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }], usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 } });
const sse = (pieces: AsyncIterable<string> | Iterable<string>): StreamedAnswer => ({ status: 200, headers: SSE, body: (async function* () { yield* pieces; })() });
const event = (body: object): string => `data: ${JSON.stringify(body)}\n\n`;
const delta = (call: InternalChat, content: string, more: object = {}) => ({ id: call.callId, object: 'chat.completion.chunk', created: 1, model: call.request.model, choices: [{ index: 0, delta: { content, ...more }, finish_reason: null }] });
const hello = { messages: [{ role: 'user' as const, content: 'hi' }] };
const failure = (promise: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => promise.then(() => { throw new Error('expected a failure'); }, (err: unknown) => err as InstanceType<typeof OpenAI.APIError>);

describe('a chat completion', () => {
  test.each(['acme/chat', 'acme/alias', 'real-model', 'org/deep/model'])('of %s is a plain call on behalf of the caller, with a completion id of its own', async (model) => {
    engine = (call) => completion(call);
    const sent = { model, ...hello, seed: 3, unheard_of: { a: 1 } };
    const reply = await client.chat.completions.create(sent);
    expect(calls).toEqual([{ callId: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/), orgId: 'org_default', apiKeyId: expect.stringMatching(/^key_/), pool: 'shared', limits: {}, request: sent }]);
    expect(reply).toMatchObject({ id: calls[0]!.callId, model, choices: [{ message: { content: 'hello' } }] });
    expect(reply._request_id).toMatch(/^req_/);
  });

  test.each(['no-such-model', 'acme/unknown', 'constructor'])('of %s is a 404 that the client knows', async (model) => {
    const err = await failure(client.chat.completions.create({ model, ...hello }));
    expect(err).toBeInstanceOf(OpenAI.NotFoundError);
    expect([err.status, err.code]).toEqual([404, 'model_not_found']);
    expect(calls).toEqual([]);
  });

  test.each([['no messages', { messages: [] }], ['a temperature of 3', { ...hello, temperature: 3 }], ['129 tools', { ...hello, tools: Array.from({ length: 129 }, () => ({ type: 'function' as const, function: { name: 'f' } })) }]])('with %s is a 400', async (_what, body) => {
    const err = await failure(client.chat.completions.create({ model: 'acme/chat', ...body }));
    expect(err).toBeInstanceOf(OpenAI.BadRequestError);
    expect(err.code).toBe('invalid_request');
  });

  test('without a valid key is a 401', async () => {
    const stranger = new OpenAI({ apiKey: 'sk-wrong', baseURL, maxRetries: 0 });
    expect(await failure(stranger.chat.completions.create({ model: 'acme/chat', ...hello }))).toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test('with null in place of what is left out is taken', async () => {
    engine = (call) => completion(call);
    const reply = await fetch(`${baseURL}/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` }, body: JSON.stringify({ model: 'acme/chat', ...hello, stop: null, tools: null, temperature: null, stream: null, n: null }) });
    expect(reply.status).toBe(200);
  });

  test.each([[400, OpenAI.BadRequestError], [429, OpenAI.RateLimitError], [502, OpenAI.InternalServerError], [503, OpenAI.InternalServerError]])('that is answered with %i is an error of the right class with the words of the answer and the request’s id', async (status, type) => {
    engine = () => json({ error: { message: 'what is wrong', code: 'some_code', type: 'some_type', param: 'messages' } }, status, { 'retry-after': '7' });
    const err = await failure(client.chat.completions.create({ model: 'acme/chat', ...hello }));
    expect(err).toBeInstanceOf(type);
    expect([err.status, err.code, err.type, err.param, err.headers?.get('retry-after')]).toEqual([status, 'some_code', 'some_type', 'messages', '7']);
    expect(err.message).toContain('what is wrong');
    expect(err.requestID).toMatch(/^req_/);
  });

  test('that is limited is sent again by a client that retries', async () => {
    engine = (call) => (calls.length < 3 ? json({ error: { message: 'later', code: 'rate_limited', type: 'rate_limited', param: null } }, 429, { 'retry-after-ms': '1' }) : completion(call));
    const patient = new OpenAI({ apiKey: KEY, baseURL, maxRetries: 2 });
    expect((await patient.chat.completions.create({ model: 'acme/chat', ...hello })).choices[0]!.message.content).toBe('hello');
    expect(new Set(calls.map(({ callId }) => callId)).size).toBe(3);
  });

  test('while engine-orchestrator is away is a 503 that says when to come back', async () => {
    engine = () => json({ some: 'proxy' }, 401);
    const err = await failure(client.chat.completions.create({ model: 'acme/chat', ...hello }));
    expect([err.status, err.code, err.headers?.get('retry-after')]).toEqual([503, 'service_unavailable', '1']);
  });
});

describe('a streamed chat completion', () => {
  test('comes as it is said, through what the client makes of it', async () => {
    let say: (text: string) => void = () => undefined;
    engine = (call) => sse((async function* () {
      yield event(delta(call, 'h\u00e9', { role: 'assistant' }));
      yield ': ping\n\n' + event(delta(call, await new Promise<string>((resolve) => (say = resolve))));
      yield 'data: [DONE]\n\n';
    })());
    const stream = await client.chat.completions.create({ model: 'acme/chat', ...hello, stream: true });
    const texts: string[] = [];
    for await (const { choices } of stream) {
      texts.push(choices[0]!.delta.content!);
      say('llo');
    }
    expect(texts).toEqual(['h\u00e9', 'llo']);
  });

  test('that breaks off with an error is one', async () => {
    engine = (call) => sse([event(delta(call, 'half')), event({ error: { message: 'broken', code: 'service_unavailable', type: 'service_unavailable', param: null } }), 'data: [DONE]\n\n']);
    const err = await failure(client.chat.completions.stream({ model: 'acme/chat', ...hello }).finalChatCompletion());
    expect(err.message).toContain('broken');
  });

  test('is given up where it is made when the client leaves, whether it has begun or not', async () => {
    const seen: AbortSignal[] = [];
    for (const begins of [true, false]) {
      engine = (call, signal) => {
        seen.push(signal);
        if (!begins) return new Promise(() => undefined);
        return sse((async function* () {
          yield event(delta(call, 'half'));
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        })());
      };
      const leave = new AbortController();
      const stream = client.chat.completions.create({ model: 'acme/chat', ...hello, stream: true }, { signal: leave.signal });
      await waitFor(() => seen.length === (begins ? 1 : 2));
      if (begins) for await (const _ of await stream) break;
      leave.abort();
      if (!begins) await failure(stream);
      expect(await waitFor(() => seen.at(-1)!.aborted)).toBe(true);
    }
  });
});

describe('a legacy completion', () => {
  test('of one prompt is a plain call, answered as a text', async () => {
    engine = (call) => completion(call, 'there was');
    const reply = await client.completions.create({ model: 'acme/chat', prompt: 'once', max_tokens: 5, stop: ['.'] });
    expect(calls[0]!.request).toEqual({ model: 'acme/chat', messages: [{ role: 'user', content: 'once' }], max_tokens: 5, stop: ['.'] });
    expect(reply).toMatchObject({ id: calls[0]!.callId.replace('chatcmpl', 'cmpl'), object: 'text_completion', model: 'acme/chat', choices: [{ text: 'there was', index: 0, finish_reason: 'stop' }], usage: { total_tokens: 5 } });
  });

  test('of several prompts has the choices of all, numbered on, and the sum of their usage', async () => {
    engine = (call) => completion(call, String(call.request.messages[0]!.content).toUpperCase());
    const reply = await client.completions.create({ model: 'acme/chat', prompt: ['a', 'b'], echo: true });
    expect(reply.choices.map(({ index, text }) => [index, text])).toEqual([[0, 'aA'], [1, 'bB']]);
    expect(reply.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 6, total_tokens: 10 });
  });

  test('that is streamed has the texts of all prompts, and the usage at the end', async () => {
    engine = (call) => sse([event(delta(call, '', { role: 'assistant' })), ...Array.from(`${String(call.request.messages[0]!.content)}!`, (letter) => event(delta(call, letter))), event({ ...delta(call, ''), choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } }), 'data: [DONE]\n\n']);
    const texts = ['', ''];
    let usage: unknown;
    for await (const chunk of await client.completions.create({ model: 'acme/chat', prompt: ['ab', 'c'], stream: true, stream_options: { include_usage: true } })) {
      expect(chunk.object).toBe('text_completion');
      for (const { index, text } of chunk.choices) texts[index] += text;
      usage = chunk.usage ?? usage;
    }
    expect([texts, usage]).toEqual([['ab!', 'c!'], { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 }]);
  });

  test('of which one prompt is refused is refused, and the others are given up', async () => {
    const signals: AbortSignal[] = [];
    engine = (call, signal) => {
      if (call.request.messages[0]!.content === 'bad') return json({ error: { message: 'no', code: 'invalid_request', type: 'invalid_request', param: null } }, 400);
      signals.push(signal);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(completion(call)), { once: true }));
    };
    expect(await failure(client.completions.create({ model: 'acme/chat', prompt: ['good', 'bad'] }))).toBeInstanceOf(OpenAI.BadRequestError);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test.each([[[1, 2, 3]], [[[1, 2]]]])('of tokens is a 400', async (prompt) => {
    expect(await failure(client.completions.create({ model: 'acme/chat', prompt: prompt as number[] }))).toBeInstanceOf(OpenAI.BadRequestError);
  });

  test.each([
    ['reasoning_effort', { reasoning_effort: 3 }],
    ['tools', { tools: {} }],
    ['tools.0.type', { tools: [{ type: 'platform', id: 'web_search' }] }],
    ['response_format', { response_format: 'json' }],
    ['max_completion_tokens', { max_completion_tokens: 0 }],
  ])('with parameters that no plain call takes is a 400 that names them: %s', async (field, more) => {
    const err = await failure(client.completions.create({ model: 'acme/chat', prompt: ['a', 'b'], ...more } as never));
    expect([err.status, err.code, err.error]).toMatchObject([400, 'invalid_request', { details: { fields: { [field]: expect.any(String) } } }]);
    expect(calls).toEqual([]);
  });

  test('of an engine is a 404', async () => {
    expect(await failure(client.completions.create({ model: 'tim', prompt: 'hi' }))).toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe('the models', () => {
  test('are the engines and what can be called plainly, each once', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id, owned_by: owner }) => [id, owner])).toEqual([['tim', 'nightshift'], ['acme/chat', 'nightshift'], ['real-model', 'upstream'], ['org/deep/model', 'upstream']]);
  });

  test.each(['tim', 'acme/chat', 'acme/alias', 'org/deep/model'])('are also had one by one: %s', async (id) => {
    expect(await client.models.retrieve(id)).toMatchObject({ id, object: 'model' });
    const raw = await fetch(`${baseURL}/models/${id}`, { headers: { authorization: `Bearer ${KEY}` } });
    expect([raw.status, ((await raw.json()) as { id: string }).id]).toEqual([200, id]);
  });

  test('that are not there are a 404', async () => {
    const err = await failure(client.models.retrieve('acme/unknown'));
    expect([err.status, err.code]).toEqual([404, 'model_not_found']);
  });
});
