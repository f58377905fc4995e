import { afterEach, describe, expect, test } from '@jest/globals';
import { type IncomingMessage, type RequestListener, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAnthropicClient } from '../src/anthropic.client.ts';
import { ModelError } from '../src/model-error.ts';
import type { ModelClientOptions } from '../src/model.client.ts';
import type { ModelDelta, ModelRequest } from '../src/model.ts';

const request: ModelRequest = { model: 'claude-test', messages: [{ role: 'system', content: 'be brief' }, { role: 'user', content: 'hi' }], tools: [] };
const START = { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-served', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 10, output_tokens: 1, cache_read_input_tokens: 30, cache_creation_input_tokens: 5 } } };
const STOP = { type: 'message_stop' };
const ended = (reason: string) => ({ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 7 } });
const block = (index: number, start: object, ...deltas: object[]) => [{ type: 'content_block_start', index, content_block: start }, ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })), { type: 'content_block_stop', index }];
const said = (text: string, index = 0) => block(index, { type: 'text', text: '' }, { type: 'text_delta', text });
const called = (index: number, id: string, name: string, ...pieces: string[]) => block(index, { type: 'tool_use', id, name, input: {} }, ...pieces.map((piece) => ({ type: 'input_json_delta', partial_json: piece })));
const sse = (events: readonly { readonly type: string }[]) => events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function upstream(listener: RequestListener, onConnection: () => void = () => undefined): Promise<string> {
  const server = createServer(listener).on('connection', onConnection);
  cleanups.push(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

function client(baseUrl: string, options: Partial<ModelClientOptions> = {}) {
  const made = createAnthropicClient({ baseUrl, idleTimeoutMs: 5_000, firstByteTimeoutMs: 5_000, connections: 4, ...options });
  cleanups.push(() => made.close());
  return made;
}

const stream = (res: ServerResponse) => res.writeHead(200, { 'content-type': 'text/event-stream' });
const answering = (events: readonly { readonly type: string; readonly [field: string]: unknown }[]) => upstream((_req, res) => stream(res).end(sse(events)));
const bodyOf = async (req: IncomingMessage): Promise<unknown> => JSON.parse(Buffer.concat(await req.toArray()).toString('utf8'));

/** What was sent for a request. */
async function sent(asked: ModelRequest): Promise<Record<string, unknown>> {
  const body = Promise.withResolvers<Record<string, unknown>>();
  const url = await upstream((req, res) => void bodyOf(req).then((json) => { body.resolve(json as Record<string, unknown>); stream(res).end(sse([START, ...said('ok'), ended('end_turn'), STOP])); }));
  await client(url).complete(asked);
  return body.promise;
}

async function failure(promise: Promise<unknown>): Promise<ModelError> {
  const outcome = await promise.then(() => new Error('expected a failure'), (error: unknown) => error);
  if (outcome instanceof ModelError) return outcome;
  throw outcome;
}

describe('a model request to an Anthropic-compatible upstream', () => {
  test('carries key, trace and bounds to the right path, and gives text, reasoning, usage and cached tokens', async () => {
    const seen: unknown[] = [];
    const thinking = block(0, { type: 'thinking', thinking: '', signature: '' }, { type: 'thinking_delta', thinking: 'let me ' }, { type: 'thinking_delta', thinking: 'see' }, { type: 'signature_delta', signature: 'sig' });
    const url = await upstream((req, res) => {
      void bodyOf(req).then((body) => {
        seen.push(req.method, req.url, req.headers['x-api-key'], req.headers['traceparent'], req.headers['anthropic-version'], body);
        stream(res).end(sse([START, ...thinking, ...said('hel', 1), ...said('lo', 2), ended('end_turn'), STOP]));
      });
    });
    const deltas: ModelDelta[] = [];
    const reply = await client(`${url}/`, { apiKey: 'k' }).complete({ ...request, maxTokens: 300 }, { traceparent: '00-a-b-01', onDelta: (delta) => deltas.push(delta) });
    expect(reply).toEqual({ content: 'hello', reasoning: 'let me see', toolCalls: [], finishReason: 'stop', model: 'claude-served', usage: { inputTokens: 45, outputTokens: 7, cachedInputTokens: 30, estimated: [] } });
    expect(seen).toEqual(['POST', '/v1/messages', 'k', '00-a-b-01', '2023-06-01', expect.objectContaining({ model: 'claude-test', stream: true, max_tokens: 300, system: [{ type: 'text', text: 'be brief' }] })]);
    expect(deltas).toEqual([{ kind: 'reasoning', text: 'let me ' }, { kind: 'reasoning', text: 'see' }, { kind: 'content', text: 'hel' }, { kind: 'content', text: 'lo' }]);
  });

  test('gives parallel tool calls in order, with their arguments as they were sent, also when these are broken or none', async () => {
    const url = await answering([START, ...said('I look.'), ...called(1, 'toolu_a', 'look', '{"at":', '"sky"}'), ...called(2, 'toolu_b', 'look', '{"at":"sea"'), ...called(3, 'toolu_c', 'rest'), ended('tool_use'), STOP]);
    const reply = await client(url).complete(request);
    expect(reply).toMatchObject({ content: 'I look.', finishReason: 'tool_calls', toolCalls: [{ id: 'toolu_a', name: 'look', arguments: '{"at":"sky"}' }, { id: 'toolu_b', name: 'look', arguments: '{"at":"sea"' }, { id: 'toolu_c', name: 'rest', arguments: '{}' }] });
  });

  test('is told apart by how its reply ended', async () => {
    const reasonOf = async (reason: string) => (await client(await answering([START, ...said('x'), ended(reason), STOP])).complete(request)).finishReason;
    expect([await reasonOf('max_tokens'), await reasonOf('refusal'), await reasonOf('end_turn')]).toEqual(['length', 'content_filter', 'stop']);
  });

  test('has no key where none is configured, whatever the environment holds', async () => {
    process.env['ANTHROPIC_API_KEY'] = 'sk-of-somebody-else';
    cleanups.push(() => delete process.env['ANTHROPIC_API_KEY']);
    const keys: unknown[] = [];
    const url = await upstream((req, res) => { keys.push(req.headers['x-api-key'], req.headers.authorization); stream(res).end(sse([START, ...said('x'), ended('end_turn'), STOP])); });
    await client(url).complete(request);
    expect(keys).toEqual([undefined, undefined]);
  });

  test('marks usage that was not reported as estimated', async () => {
    const silent = { ...START, message: { ...START.message, usage: { input_tokens: 0, output_tokens: 0 } } };
    const url = await answering([silent, ...said('12345'), { ...ended('end_turn'), usage: { output_tokens: 0 } }, STOP]);
    expect((await client(url).complete(request)).usage).toEqual({ inputTokens: 3, outputTokens: 2, cachedInputTokens: 0, estimated: ['input', 'output'] });
  });

  test('reuses connections', async () => {
    let sockets = 0;
    const made = client(await upstream((_req, res) => stream(res).end(sse([START, ...said('x'), ended('end_turn'), STOP])), () => (sockets += 1)));
    for (let i = 0; i < 10; i += 1) await made.complete(request);
    expect(sockets).toBeLessThanOrEqual(2);
  });
});

describe('what is sent', () => {
  const tool = { name: 'look', description: 'looks', parameters: { type: 'object', properties: { at: { type: 'string' } } } };
  const turns: ModelRequest['messages'] = [
    ...request.messages,
    { role: 'assistant', content: null, tool_calls: [{ id: 'call:1', type: 'function', function: { name: 'look', arguments: '{"at":"sky"}' } }, { id: 'call:2', type: 'function', function: { name: 'look at.it', arguments: '{"at":' } }] },
    { role: 'tool', tool_call_id: 'call:1', content: 'blue' },
    { role: 'tool', tool_call_id: 'call:2', content: 'Error: broken' },
  ];

  test('spells tool calls and their results the way the wire does, also those that another upstream’s model made', async () => {
    const body = await sent({ ...request, messages: turns, tools: [tool] });
    expect(body['tools']).toEqual([{ name: 'look', description: 'looks', input_schema: tool.parameters }]);
    expect(body['messages']).toMatchObject([
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'sky' } }, { type: 'tool_use', id: 'call_2', name: 'look_at_it', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'blue' }, { type: 'tool_result', tool_use_id: 'call_2', content: 'Error: broken' }] },
    ]);
  });

  test('marks for the cache what the next turn repeats, and nothing where there is no next turn', async () => {
    const marks = (body: unknown) => JSON.stringify(body).match(/"cache_control":\{"type":"ephemeral"\}/g)?.length ?? 0;
    const body = await sent({ ...request, messages: turns, tools: [tool] });
    expect([marks(body['system']), marks((body['messages'] as unknown[]).at(-1)), marks(body)]).toEqual([1, 1, 2]);
    expect(marks(await sent(request))).toBe(0);
  });

  test('holds images, as data and as addresses', async () => {
    const content = [{ type: 'text' as const, text: 'what is it?' }, { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }, { type: 'image_url' as const, image_url: { url: 'https://example.com/a.png' } }];
    const body = await sent({ ...request, messages: [{ role: 'user', content }] });
    expect(body['messages']).toEqual([{ role: 'user', content: [{ type: 'text', text: 'what is it?' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } }, { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }] }]);
  });

  test('names the one tool that has to be called, the format of the answer, and how much to think', async () => {
    const schema = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'], additionalProperties: false };
    expect(await sent({ ...request, tools: [tool], toolChoice: { name: 'look' } })).toMatchObject({ tool_choice: { type: 'tool', name: 'look' } });
    expect(await sent({ ...request, tools: [tool], toolChoice: 'none' })).toMatchObject({ tool_choice: { type: 'none' }, tools: [{ name: 'look' }] });
    expect(await sent({ ...request, responseFormat: { type: 'json_schema', json_schema: { name: 'answer', schema } } })).toMatchObject({ output_config: { format: { type: 'json_schema' } } });
    expect(await sent({ ...request, model: 'claude-opus-4-6', reasoningEffort: 'low' })).toMatchObject({ thinking: { type: 'adaptive' }, output_config: { effort: 'low' } });
  });
});

describe('a model request to an Anthropic-compatible upstream that fails', () => {
  test.each([
    [429, { 'retry-after': '2' }, 'rate_limited', 'upstream_rate_limited', 2_000],
    [529, {}, 'unavailable', 'upstream_unavailable', null],
    [500, {}, 'unavailable', 'upstream_unavailable', null],
    [400, {}, 'rejected', 'upstream_rejected', null],
    [404, {}, 'rejected', 'upstream_rejected', null],
    [401, {}, 'rejected', 'upstream_auth', null],
    [307, { location: 'http://127.0.0.1:1/' }, 'rejected', 'upstream_rejected', null],
  ])('with %i has a kind, a code and a wait, and never shows the key', async (status, headers, kind, code, wait) => {
    const url = await upstream((_req, res) => res.writeHead(status, headers).end('{"type":"error","error":{"type":"some_error","message":"told my-key so"}}'));
    const error = await failure(client(url, { apiKey: 'my-key', apiKeyName: 'ACME_KEY' }).complete(request));
    expect([error.kind, error.code, error.status, error.retryAfterMs]).toEqual([kind, code, status, wait]);
    expect(error.message).toContain('told [key] so');
  });

  test('because nobody listens is retryable', async () => {
    const url = await upstream(() => undefined);
    await cleanups.pop()?.();
    const error = await failure(client(url).complete(request));
    expect([error.code, error.isFault, error.message]).toEqual(['upstream_unavailable', true, expect.stringContaining('ECONNREFUSED')]);
  });

  test('because the stream was cut is retryable, wherever that is and whether the end is orderly or not', async () => {
    const events = sse([START, ...said('hel'), ...called(1, 'toolu_a', 'look', '{"at":"sky"}')]);
    for (const cut of ['end', 'destroy'] as const) {
      for (const length of [10, events.length - 200, events.length]) {
        const url = await upstream((_req, res) => void stream(res).write(events.slice(0, length), () => res[cut]()));
        const error = await failure(client(url).complete(request));
        expect([cut, length, error.kind, error.code]).toEqual([cut, length, 'unavailable', 'upstream_unavailable']);
      }
    }
  });

  test('by silence before the reply or within it is a timeout', async () => {
    const silent = await upstream(() => undefined);
    const stalled = await upstream((_req, res) => void stream(res).write(sse([START, ...said('hel')])));
    const errors = await Promise.all([silent, stalled].map((url) => failure(client(url, { firstByteTimeoutMs: 150, idleTimeoutMs: 150 }).complete(request))));
    expect(errors.map(({ code }) => code)).toEqual(['upstream_timeout', 'upstream_timeout']);
  });

  test('by an error in the place of a reply or in its middle fails by what the error says', async () => {
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    for (const before of [[], [START, ...said('hel')]]) {
      const error = await failure(client(await answering([...before, overloaded])).complete(request));
      expect([error.kind, error.message]).toEqual(['unavailable', expect.stringContaining('Overloaded')]);
    }
  });

  test('by something that is not a reply is final', async () => {
    const pages: RequestListener[] = [
      (_req, res) => res.setHeader('content-type', 'text/html').end('<html>'),
      (_req, res) => stream(res).end('data: {"no":"type"}\n\n'),
      (_req, res) => stream(res).end('data: not json\n\n'),
    ];
    for (const page of pages) expect((await failure(client(await upstream(page)).complete(request))).isRetryable).toBe(false);
  });

  test('by a reply over 2 MiB is final and leaves the rest unread', async () => {
    const closed = Promise.withResolvers<void>();
    const piece = sse([{ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x'.repeat(65_536) } } as never]);
    const url = await upstream((_req, res) => {
      stream(res).on('close', closed.resolve).write(sse([START, { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as never]));
      const more = (): void => {
        if (!res.destroyed) res.write(piece, more);
      };
      more();
    });
    expect((await failure(client(url).complete(request))).code).toBe('upstream_invalid_response');
    await closed.promise;
  });

  test('by an endless event is final', async () => {
    const url = await upstream((_req, res) => {
      stream(res).write(`${sse([START])}data: `);
      const more = (): void => {
        if (!res.destroyed) res.write('x'.repeat(1024 * 1024), more);
      };
      more();
    });
    expect((await failure(client(url).complete(request))).code).toBe('upstream_invalid_response');
  });

  test('by what its listener throws hands that on and ends the request', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await upstream((_req, res) => void stream(res).on('close', closed.resolve).write(sse([START, ...said('x')])));
    await expect(client(url).complete(request, { onDelta: () => { throw new RangeError('full'); } })).rejects.toThrow(RangeError);
    await closed.promise;
  });
});

test('an abort ends the request in flight', async () => {
  const [begun, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const url = await upstream((_req, res) => void stream(res).on('close', closed.resolve).write(sse([START, ...said('x')])));
  const stop = new AbortController();
  const made = client(url);
  const outcome = failure(made.complete(request, { signal: stop.signal, onDelta: () => begun.resolve() }));
  await begun.promise;
  stop.abort();
  expect([(await outcome).kind, (await outcome).code]).toEqual(['aborted', 'canceled']);
  await closed.promise;
  expect((await failure(made.complete(request, { signal: AbortSignal.abort() }))).kind).toBe('aborted');
});
