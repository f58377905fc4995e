import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '@nightshift/runtime';
import { waitFor } from '@nightshift/testing';
import { ask, chatCall, chatStage, dataOf, textOf } from './chat-stage.ts';
import { chunk, completion, events, refusal, usageChunk, whole } from './chat-upstream.ts';

let stage: Awaited<ReturnType<typeof chatStage>>;
beforeAll(async () => {
  stage = await chatStage();
});
afterEach(() => stage.clear());
afterAll(() => stage.close());

const jsonOf = async (answer: Parameters<typeof textOf>[0]) => JSON.parse(await textOf(answer)) as Record<string, unknown>;

describe('a plain call', () => {
  test('reaches the upstream with all that the client sent, and its reply comes back whole under the id that was asked for', async () => {
    const { chats } = stage.chats();
    const logprobs = { content: [{ token: 'hello', logprob: -0.25, bytes: null, top_logprobs: [] }] };
    stage.first.answer = whole(completion({ system_fingerprint: 'fp', service_tier: 'fast', x_provider: { took: 3 } }, { role: 'assistant', content: 'hello', reasoning_content: 'hm', annotations: [{ a: 1 }], logprobs }));
    const sent = {
      messages: [{ role: 'developer', content: 'brief' }, { role: 'user', name: 'ann', content: [{ type: 'text', text: 'what is this?' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }],
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' }, strict: true } }], tool_choice: { type: 'function', function: { name: 'look' } }, parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } }, n: 2, seed: 4, stop: ['a', 'b'], temperature: 0.5, top_p: 0.9, frequency_penalty: 1, presence_penalty: -1,
      max_completion_tokens: 9, logprobs: true, top_logprobs: 3, reasoning_effort: 'low', chat_template_kwargs: { enable_thinking: false }, user: 'u', unheard_of: { deep: [1, null, 'é\u2028'] },
    };
    const call = chatCall(sent);
    const answer = await ask(chats, call);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    expect(await jsonOf(answer)).toEqual({ ...completion({ system_fingerprint: 'fp', service_tier: 'fast', x_provider: { took: 3 } }, { role: 'assistant', content: 'hello', reasoning_content: 'hm', annotations: [{ a: 1 }], logprobs }), id: call.callId, model: 'acme/chat' });
    expect(stage.first.requests).toMatchObject([{ body: { ...sent, model: 'model-a' }, headers: { authorization: 'Bearer sk-upstream-key', traceparent: expect.stringMatching(/^00-1{32}-/) } }]);
    expect(stage.first.requests[0]!.body).not.toHaveProperty('stream_options');
  });

  test('by the name of an upstream’s model asks that one first', async () => {
    stage.second.answer = whole(completion());
    const { chats } = stage.chats();
    const answer = await ask(chats, chatCall({ model: 'model-b' }));
    expect(await jsonOf(answer)).toMatchObject({ model: 'model-b' });
    expect([stage.first.requests.length, stage.second.requests[0]?.body['model']]).toEqual([0, 'model-b']);
  });

  test('may have no longer reply than the engine and the key allow', async () => {
    stage.first.answer = whole(completion());
    const { chats } = stage.chats({ engine: { limits: { contextTokens: 1000, outputTokens: 100 } } });
    for (const [sent, limits] of [[{ max_tokens: 500 }, {}], [{ max_completion_tokens: 500 }, { outputTokens: 50 }], [{ max_tokens: 20 }, {}], [{}, {}], [{}, { outputTokens: 70 }]] as const) await textOf(await ask(chats, chatCall(sent, { limits })));
    expect(stage.first.requests.map(({ body: { max_tokens: old, max_completion_tokens: current } }) => [old, current])).toEqual([[100, undefined], [undefined, 50], [20, undefined], [undefined, undefined], [70, undefined]]);
  });
});

describe('a streamed call', () => {
  const told = [chunk({ role: 'assistant', content: '' }), chunk({ content: 'h\u00e9\u2028', reasoning_content: 'hm' }, { provider: 'x' }), chunk({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }), chunk({}, {}, 'tool_calls')];

  test('gives each chunk as it was, always asks for the usage, and shows it only to who wants it', async () => {
    const { chats } = stage.chats();
    stage.first.answer = events([...told.map((one) => ({ ...one, usage: null })), usageChunk]);
    const call = chatCall({ stream: true });
    const answer = await ask(chats, call);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const text = await textOf(answer);
    expect(text).not.toContain('\u2028');
    expect(dataOf(text)).toEqual([...told.map((one) => ({ ...one, id: call.callId, model: 'acme/chat' })), '[DONE]']);
    const asking = chatCall({ stream: true, stream_options: { include_usage: true } });
    expect(dataOf(await textOf(await ask(chats, asking))).slice(-2)).toEqual([{ ...usageChunk, id: asking.callId, model: 'acme/chat' }, '[DONE]']);
    expect(stage.first.requests.map(({ body }) => body['stream_options'])).toEqual([{ include_usage: true }, { include_usage: true }]);
  });

  test('shows an estimated usage where the upstream reports none', async () => {
    const { chats } = stage.chats();
    stage.first.answer = events([chunk({ content: 'one two three' }, {}, 'stop')]);
    const data = dataOf(await textOf(await ask(chats, chatCall({ stream: true, stream_options: { include_usage: true } }))));
    expect(data.at(-2)).toMatchObject({ choices: [], object: 'chat.completion.chunk', usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 } });
  });

  test('of an upstream that does not stream is its reply in chunks', async () => {
    const { chats } = stage.chats();
    stage.first.answer = whole(completion({}, { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }));
    const data = dataOf(await textOf(await ask(chats, chatCall({ stream: true }))));
    expect(data).toMatchObject([{ object: 'chat.completion.chunk', choices: [{ index: 0, finish_reason: 'stop', delta: { role: 'assistant', tool_calls: [{ index: 0, id: 'c' }] } }] }, '[DONE]']);
  });

  test('that breaks off ends with an error, and is not begun anew elsewhere', async () => {
    const { chats } = stage.chats();
    stage.first.answer = events([chunk({ content: 'half of' })], { cut: true });
    expect(dataOf(await textOf(await ask(chats, chatCall({ stream: true }))))).toMatchObject([{ choices: [{ delta: { content: 'half of' } }] }, { error: { code: 'service_unavailable', message: expect.any(String), type: expect.any(String) } }, '[DONE]']);
    expect(stage.second.requests).toEqual([]);
  });

  test('passes on an error that the upstream reports in its middle', async () => {
    const { chats } = stage.chats();
    stage.first.answer = events([chunk({ content: 'half of' }), { error: { message: 'too long now', type: 'invalid_request_error', code: 'context_length' } }]);
    expect(dataOf(await textOf(await ask(chats, chatCall({ stream: true }))))).toMatchObject([{}, { error: { message: expect.stringContaining('too long now') } }, '[DONE]']);
  });
});

describe('when the first upstream does not do', () => {
  test.each([
    ['is limited', refusal(429, { 'retry-after': '9' }), {}],
    ['is overloaded', refusal(503), {}],
    ['breaks off before it has said anything', events([], { cut: true }), {}],
    ['does not answer in time', () => undefined, { firstByteTimeoutMs: 100 }],
    ['is not there', () => undefined, { baseUrl: 'nowhere' }],
  ])('because it %s the second answers, whole and streamed', async (_what, answer, settings) => {
    const nowhere = `http://127.0.0.1:${await freePort()}/v1`;
    const { chats } = stage.chats({ first: { ...settings, ...('baseUrl' in settings && { baseUrl: nowhere }) } as never });
    stage.first.answer = answer;
    stage.second.answer = (res, request) => (request.body['stream'] ? events([chunk({ content: 'second' }, {}, 'stop')]) : whole(completion()))(res, request);
    expect((await ask(chats, chatCall())).status).toBe(200);
    expect(await textOf(await ask(chats, chatCall({ stream: true })))).toContain('second');
    expect(stage.second.requests.map(({ body }) => body['model'])).toEqual(['model-b', 'model-b']);
  });

  test('because the request is wrong, its own words are passed on and nobody else is asked', async () => {
    const { chats } = stage.chats();
    stage.first.answer = refusal(400);
    const answer = await ask(chats, chatCall({ stream: true }));
    expect([answer.status, await jsonOf(answer)]).toEqual([400, { error: { message: 'refused with 400', type: 'some_error', code: 'some_code', param: 'messages' } }]);
    expect(stage.second.requests).toEqual([]);
  });
});

describe('when no upstream does', () => {
  test.each([
    ['are limited, a 429 with the shortest wait', refusal(429, { 'retry-after': '9' }), refusal(429, { 'retry-after': '4' }), 429, 'rate_limited', { 'retry-after': '4', 'retry-after-ms': '4000' }],
    ['fail, a 503', refusal(500), refusal(502), 503, 'service_unavailable', {}],
    ['have used up their quota, a 429', whole({ error: { code: 'insufficient_quota', message: 'pay' } }, 429), refusal(429), 429, 'rate_limited', {}],
    ['refuse the operator’s key, a 502 that is not tried again', refusal(401), refusal(401), 502, 'upstream_auth', { 'x-should-retry': 'false' }],
    ['do not know the operator’s model, a 502 that is not tried again', refusal(404), refusal(404), 502, 'upstream_rejected', { 'x-should-retry': 'false' }],
    ['say no JSON, a 502', (res: { end: (text: string) => unknown; writeHead: (status: number, headers: object) => unknown }) => (res.writeHead(200, { 'content-type': 'application/json' }), res.end('<html>')), refusal(500), 502, 'upstream_invalid_response', {}],
  ] as const)('because they %s', async (_what, first, second, status, code, headers) => {
    const { chats } = stage.chats();
    stage.first.answer = first as never;
    stage.second.answer = second;
    for (const stream of [false, true]) {
      const answer = await ask(chats, chatCall({ stream }));
      expect([answer.status, (await jsonOf(answer))['error']]).toMatchObject([status, { code }]);
      expect(answer.headers).toMatchObject({ 'content-type': expect.stringContaining('application/json'), ...headers });
    }
  });

  test('in time, a 504', async () => {
    const { chats } = stage.chats({ first: { firstByteTimeoutMs: 80 }, second: { firstByteTimeoutMs: 80 } });
    stage.first.answer = stage.second.answer = () => undefined;
    expect((await ask(chats, chatCall())).status).toBe(504);
  });

  test('the key of the upstream is in none of its words', async () => {
    const { chats } = stage.chats();
    stage.first.answer = whole({ error: { message: 'wrong: sk-upstream-key', code: 'sk-upstream-key' } }, 400);
    expect(await textOf(await ask(chats, chatCall()))).not.toContain('sk-upstream-key');
  });
});

describe('a place at an upstream', () => {
  test('is waited for, and whoever gets it is answered', async () => {
    const { chats } = stage.chats({ engine: { upstreams: [{ name: 'first', model: 'model-a' }] }, first: { concurrency: 1 } });
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    stage.first.answer = (res, request) => void released.then(() => whole(completion())(res, request));
    const answers = [ask(chats, chatCall()), ask(chats, chatCall())];
    await waitFor(() => stage.first.requests.length === 1);
    release();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  });

  test('that does not come in time is a 429 that says when to come back', async () => {
    const { chats } = stage.chats({ engine: { upstreams: [{ name: 'first', model: 'model-a' }] }, first: { concurrency: 1 }, waitMs: 20 });
    stage.first.answer = () => undefined;
    const leave = new AbortController();
    const held = ask(chats, chatCall(), leave.signal);
    await waitFor(() => stage.first.requests.length === 1);
    const answer = await ask(chats, chatCall());
    expect([answer.status, Number(answer.headers['retry-after'])]).toEqual([429, 1]);
    leave.abort();
    await held;
    stage.first.answer = whole(completion());
    expect((await ask(chats, chatCall())).status).toBe(200);
  });

  test('is not waited for where a minute’s limit is used up', async () => {
    const { chats } = stage.chats({ engine: { upstreams: [{ name: 'first', model: 'model-a' }] }, first: { requestsPerMinute: 1 } });
    stage.first.answer = whole(completion());
    expect((await ask(chats, chatCall())).status).toBe(200);
    const answer = await ask(chats, chatCall());
    expect(answer.status).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(50);
  });
});
