import { afterEach, describe, expect, test } from '@jest/globals';
import { type IncomingMessage, type RequestListener, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo, type Server as NetServer, createServer as createNetServer } from 'node:net';
import { ModelError } from '../src/model-error.ts';
import { type ModelClientOptions, createModelClient } from '../src/model.client.ts';
import type { ModelDelta, ModelRequest } from '../src/model.ts';

const request: ModelRequest = { model: 'm', messages: [{ role: 'user', content: 'hi' }], tools: [] };
const ENDED = 'data: {"choices":[{"delta":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n';
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(server: NetServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

async function upstream(listener: RequestListener, onConnection: () => void = () => undefined): Promise<string> {
  const server = createServer(listener).on('connection', onConnection);
  cleanups.push(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  return listen(server);
}

function client(baseUrl: string, options: Partial<ModelClientOptions> = {}) {
  const made = createModelClient({ baseUrl, idleTimeoutMs: 5_000, firstByteTimeoutMs: 5_000, connections: 4, ...options });
  cleanups.push(() => made.close());
  return made;
}

async function failure(promise: Promise<unknown>): Promise<ModelError> {
  const outcome = await promise.then(() => new Error('expected a failure'), (error: unknown) => error);
  if (outcome instanceof ModelError) return outcome;
  throw outcome;
}

function stream(res: ServerResponse): ServerResponse {
  return res.writeHead(200, { 'content-type': 'text/event-stream' });
}

async function bodyOf(req: IncomingMessage): Promise<string> {
  return Buffer.concat(await req.toArray()).toString('utf8');
}

describe('a model request', () => {
  test('asks for a stream at the right path with key and trace, and gives the reply', async () => {
    const seen: unknown[] = [];
    const url = await upstream((req, res) => {
      void bodyOf(req).then((body) => {
        seen.push(req.method, req.url, req.headers.authorization, req.headers['traceparent'], JSON.parse(body));
        stream(res).end(ENDED);
      });
    });
    const deltas: ModelDelta[] = [];
    const reply = await client(`${url}/?version=2`, { apiKey: 'k' }).complete(request, { traceparent: '00-a-b-01', onDelta: (delta) => deltas.push(delta) });
    expect(reply).toEqual({ content: 'hello', toolCalls: [], finishReason: 'stop', model: 'm', usage: { inputTokens: 3, outputTokens: 1, cachedInputTokens: 0, estimated: [] } });
    expect(seen).toEqual(['POST', '/v1/chat/completions?version=2', 'Bearer k', '00-a-b-01', expect.objectContaining({ stream: true, stream_options: { include_usage: true } })]);
    expect(deltas).toEqual([{ kind: 'content', text: 'hello' }]);
  });

  test('reuses connections: requests after each other need no more than the one that ends and the next', async () => {
    let sockets = 0;
    const made = client(await upstream((_req, res) => stream(res).end(ENDED), () => (sockets += 1)));
    for (let i = 0; i < 20; i += 1) await made.complete(request);
    expect(sockets).toBeLessThanOrEqual(2);
  });

  test('takes a reply that is not streamed although a stream was asked for', async () => {
    const message = { content: 'plain', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] };
    const url = await upstream((_req, res) => {
      res.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify({ model: 'served', choices: [{ message, finish_reason: 'tool_calls' }] }));
    });
    const reply = await client(url).complete(request);
    expect([reply.content, reply.model, reply.toolCalls, reply.usage.estimated]).toEqual(['plain', 'served', [{ id: 'c', name: 'f', arguments: '{}' }], ['input', 'output']]);
  });

  test('is answered as soon as the stream says it is done, also when the server leaves it open', async () => {
    const url = await upstream((_req, res) => void stream(res).write(ENDED));
    expect((await client(url, { idleTimeoutMs: 60_000 }).complete(request)).content).toBe('hello');
  });
});

describe('a model request that fails', () => {
  test.each([
    [429, { 'retry-after': '2' }, 'rate_limited', 'upstream_rate_limited', 2_000],
    [503, { 'retry-after-ms': '50' }, 'unavailable', 'upstream_unavailable', 50],
    [500, {}, 'unavailable', 'upstream_unavailable', null],
    [408, {}, 'unavailable', 'upstream_unavailable', null],
    [409, {}, 'unavailable', 'upstream_unavailable', null],
    [400, {}, 'rejected', 'upstream_rejected', null],
    [404, {}, 'rejected', 'upstream_rejected', null],
    [403, {}, 'rejected', 'upstream_auth', null],
    [307, { location: 'http://127.0.0.1:1/' }, 'rejected', 'upstream_rejected', null],
  ])('with %i has a kind, a code and a wait', async (status, headers, kind, code, wait) => {
    const url = await upstream((_req, res) => res.writeHead(status, headers).end('{"error":{"message":"told so"}}'));
    const error = await failure(client(url).complete(request));
    expect([error.kind, error.code, error.status, error.retryAfterMs]).toEqual([kind, code, status, wait]);
    expect(error.message).toContain('told so');
  });

  test('with 401 says which setting to check and never shows the key', async () => {
    const url = await upstream((_req, res) => res.writeHead(401).end('{"error":{"message":"bad key my-key"}}'));
    const error = await failure(client(url, { apiKey: 'my-key', apiKeyName: 'ACME_KEY' }).complete(request));
    expect(error.message).toBe('The model server answered 401; check ACME_KEY. It said: bad key [key]');
  });

  test('keeps the meaning of its status when the error body breaks off', async () => {
    const url = await upstream((_req, res) => {
      res.writeHead(401, { 'content-length': '100' }).write('{"err');
      setImmediate(() => res.destroy());
    });
    expect((await failure(client(url).complete(request))).code).toBe('upstream_auth');
  });

  test('because nobody listens is retryable', async () => {
    const server = createNetServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await failure(client(url).complete(request));
    expect([error.code, error.isRetryable, error.message]).toEqual(['upstream_unavailable', true, 'The connection to the model server failed (ECONNREFUSED); check UPSTREAM_BASE_URL.']);
  });

  test('because the stream was cut is retryable, whether the end is orderly or not', async () => {
    for (const cut of ['end', 'destroy'] as const) {
      const url = await upstream((_req, res) => {
        stream(res).write('data: {"choices":[{"delta":{"content":"hel"}}]}\n\ndata: {"cho', () => res[cut]());
      });
      const error = await failure(client(url).complete(request));
      expect([error.kind, error.code]).toEqual(['unavailable', 'upstream_unavailable']);
    }
  });

  test('by silence before the reply or within it is a timeout', async () => {
    const silent = await upstream(() => undefined);
    const stalled = await upstream((_req, res) => void stream(res).write('data: {"choices":[{"delta":{"content":"hel"}}]}\n\n'));
    const errors = await Promise.all([silent, stalled].map((url) => failure(client(url, { firstByteTimeoutMs: 150, idleTimeoutMs: 150 }).complete(request))));
    expect(errors.map(({ kind, code }) => [kind, code])).toEqual(Array(2).fill(['unavailable', 'upstream_timeout']));
    expect(errors.map(({ message }) => message)).toEqual(['The model server did not answer in time.', 'The model server stopped in the middle of its reply.']);
  });

  test('by a reply over 2 MiB is final and leaves the rest unread', async () => {
    const closed = Promise.withResolvers<void>();
    const chunk = `data: ${JSON.stringify({ choices: [{ delta: { content: 'x'.repeat(65_536) } }] })}\n\n`;
    const url = await upstream((_req, res) => {
      stream(res).on('close', closed.resolve);
      const more = (): void => {
        if (!res.destroyed) res.write(chunk, more);
      };
      more();
    });
    const error = await failure(client(url).complete(request));
    expect([error.kind, error.code]).toEqual(['invalid', 'upstream_invalid_response']);
    await closed.promise;
  });

  test('by a page, by broken JSON or by an endless body in the place of a reply is final', async () => {
    const pages: RequestListener[] = [
      (_req, res) => res.setHeader('content-type', 'text/html').end('<html>'),
      (_req, res) => res.setHeader('content-type', 'application/json').end('{"choices"'),
      (_req, res) => res.setHeader('content-type', 'application/json').end(`"${'x'.repeat(9 * 1024 * 1024)}"`),
      (_req, res) => stream(res).end(`data: ${'x'.repeat(9 * 1024 * 1024)}`),
    ];
    for (const page of pages) {
      const error = await failure(client(await upstream(page)).complete(request));
      expect([error.kind, error.code]).toEqual(['invalid', 'upstream_invalid_response']);
    }
  });

  test('because the server does not speak HTTP is final', async () => {
    const server = createNetServer((socket) => void socket.on('error', () => undefined).end('SSH-2.0-x\r\n'));
    cleanups.push(() => server.close());
    expect((await failure(client(await listen(server)).complete(request))).code).toBe('upstream_invalid_response');
  });

  test('by what its listener throws hands that on and ends the request', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await upstream((_req, res) => void stream(res).on('close', closed.resolve).write('data: {"choices":[{"delta":{"content":"x"}}]}\n\n'));
    const complete = client(url).complete(request, { onDelta: () => { throw new RangeError('full'); } });
    await expect(complete).rejects.toThrow(RangeError);
    await closed.promise;
  });
});

describe('an abort', () => {
  test('ends the upstream request in flight', async () => {
    const [begun, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const url = await upstream((_req, res) => {
      stream(res).on('close', closed.resolve).write('data: {"choices":[{"delta":{"content":"x"}}]}\n\n');
    });
    const stop = new AbortController();
    const outcome = failure(client(url).complete(request, { signal: stop.signal, onDelta: () => begun.resolve() }));
    await begun.promise;
    stop.abort();
    expect([(await outcome).kind, (await outcome).code]).toEqual(['aborted', 'canceled']);
    await closed.promise;
  });

  test('before the request was sent keeps it from being sent', async () => {
    let served = 0;
    const held = Promise.withResolvers<ServerResponse>();
    const url = await upstream((_req, res) => {
      served += 1;
      held.resolve(res);
    });
    const made = client(url, { connections: 1 });
    const first = made.complete(request);
    const res = await held.promise;
    const stop = new AbortController();
    const queued = failure(made.complete(request, { signal: stop.signal }));
    stop.abort();
    expect((await queued).kind).toBe('aborted');
    stream(res).end(ENDED);
    expect((await first).content).toBe('hello');
    expect((await failure(made.complete(request, { signal: AbortSignal.abort() }))).kind).toBe('aborted');
    await made.close();
    expect(served).toBe(1);
  });
});
