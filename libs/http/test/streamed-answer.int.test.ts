import { Controller, Inject, Module, Post, Req, Res } from '@nestjs/common';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createApp, httpStreams, InternalClient, portOf, type StreamedAnswer, streamTo, withHeartbeats } from '@nightshift/http';
import { createLog, freePort } from '@nightshift/runtime';
import { waitFor } from '@nightshift/testing';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { serveHttp } from './local-servers.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const SSE = { 'content-type': 'text/event-stream; charset=utf-8' };
type Answer = (body: unknown, signal: AbortSignal) => StreamedAnswer | Promise<StreamedAnswer>;
const ANSWER = Symbol('answer');

@Controller('internal')
class Streaming {
  constructor(@Inject(ANSWER) private readonly answer: Answer) {}

  @Post('stream')
  create(@Req() { body }: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return streamTo(reply, async (signal) => this.answer(body, signal));
  }
}

@Module({})
class Service {}

/** A service that answers so, and a client of it. */
async function serve(answer: Answer): Promise<InternalClient> {
  const app = await createApp({ module: Service, controllers: [Streaming], providers: [{ provide: ANSWER, useValue: answer }] }, { name: 'test', log: createLog({ level: 'silent', format: 'json' }), serviceTokens: new Map([['me', 'own-token']]) });
  await app.listen(0, '127.0.0.1');
  cleanups.push(() => app.close());
  return clientOf(`http://127.0.0.1:${portOf(app)}`);
}

function clientOf(...urls: string[]): InternalClient {
  const { streams, close } = httpStreams(urls);
  cleanups.push(close);
  return new InternalClient(() => Promise.reject(new Error('not this way')), 'own-token', undefined, streams);
}

const ask = (client: InternalClient, signal = new AbortController().signal) => client.stream({ path: '/internal/stream', body: { q: 1 }, traceparent: '00-trace' }, signal);
const JSON_TYPE = { 'content-type': 'application/json' };
const kept = (server: Awaited<ReturnType<typeof serveHttp>>) => (cleanups.push(server.close), server);
const serve503 = async (headers: Record<string, string>) => kept(await serveHttp((_req, res) => void res.writeHead(503, headers).end('{"error":{}}')));
const serveJson = async () => kept(await serveHttp((_req, res) => void res.writeHead(200, JSON_TYPE).end('{"n":1}')));
const piecesOf = ({ body }: StreamedAnswer): AsyncIterator<string> => (body as AsyncIterable<string>)[Symbol.asyncIterator]();

describe('a streamed answer', () => {
  test('comes piece by piece, and as one text where it is whole; both with the status and what is to be known of it', async () => {
    let next: () => void = () => undefined;
    const client = await serve((body) => ({ status: 200, headers: SSE, body: (async function* () { yield `${JSON.stringify(body)}\n`; await new Promise<void>((resolve) => (next = resolve)); yield 'h\u00e9\u{1f600}'; })() }));
    const answer = await ask(client);
    expect([answer.status, answer.headers]).toEqual([200, SSE]);
    const pieces = piecesOf(answer);
    expect(await pieces.next()).toEqual({ done: false, value: '{"q":1}\n' });
    next();
    expect([await pieces.next(), await pieces.next()]).toEqual([{ done: false, value: 'h\u00e9\u{1f600}' }, { done: true, value: undefined }]);
    const whole = await serve(() => ({ status: 429, headers: { 'content-type': 'application/json', 'retry-after': '3' }, body: '{"error":{}}' }));
    expect(await ask(whole)).toMatchObject({ status: 429, headers: { 'retry-after': '3' }, body: '{"error":{}}' });
  });

  test('that breaks off breaks off for whoever reads it', async () => {
    const client = await serve(() => ({ status: 200, headers: SSE, body: (async function* () { yield 'half'; throw new Error('broken'); })() }));
    const pieces = piecesOf(await ask(client));
    expect(await pieces.next()).toEqual({ done: false, value: 'half' });
    await expect(pieces.next()).rejects.toThrow();
  });

  test('is made no faster than it is taken', async () => {
    let made = 0;
    const piece = 'x'.repeat(64 * 1024);
    const client = await serve(() => ({ status: 200, headers: SSE, body: (async function* () { for (; made < 4000; made += 1) yield piece; })() }));
    const pieces = piecesOf(await ask(client));
    await pieces.next();
    let before = -1;
    await waitFor(() => {
      const isStill = made === before;
      before = made;
      return isStill;
    });
    expect(made).toBeLessThan(1000);
    await pieces.return!();
  });

  test.each([['before it has begun', false], ['in its middle', true]])('whose client leaves %s tells its maker', async (_when, begins) => {
    const signals: AbortSignal[] = [];
    const client = await serve((_body, signal) => {
      signals.push(signal);
      if (!begins) return new Promise(() => undefined);
      return { status: 200, headers: SSE, body: (async function* () { yield 'half'; await new Promise((resolve) => signal.addEventListener('abort', resolve)); })() };
    });
    const leave = new AbortController();
    const answer = ask(client, leave.signal);
    await waitFor(() => signals.length === 1);
    if (begins) await piecesOf(await answer).next();
    leave.abort();
    if (!begins) await expect(answer).rejects.toThrow();
    expect(await waitFor(() => signals[0]!.aborted)).toBe(true);
  });

  test('that ended well is no client that left', async () => {
    let seen: AbortSignal | undefined;
    const client = await serve((_body, signal) => ((seen = signal), { status: 200, headers: SSE, body: (async function* () { yield 'all'; })() }));
    const pieces = piecesOf(await ask(client));
    while (!(await pieces.next()).done);
    expect(seen!.aborted).toBe(false);
  });
});

describe('a service that streams', () => {
  test('is asked again until it listens, and is unavailable when it does not', async () => {
    const port = await freePort();
    const pending = ask(clientOf(`http://127.0.0.1:${port}`));
    const server = await serveHttp((_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end('{}'), { port });
    cleanups.push(server.close);
    expect(await pending).toMatchObject({ status: 200, body: '{}' });
    await expect(ask(clientOf(`http://127.0.0.1:${await freePort()}`))).rejects.toMatchObject({ code: 'service_unavailable', headers: { 'retry-after': '1' } });
  });

  test('and goes leaves its requests to the others, however many ask at once', async () => {
    const [going, well] = [await serve503({ 'x-draining': 'true', connection: 'close' }), await serveJson()];
    const client = clientOf(going.url, well.url);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(client)));
    expect(answers).toEqual(answers.map(() => ({ status: 200, headers: JSON_TYPE, body: '{"n":1}' })));
    expect([going.seen.length, well.seen.length]).toEqual([10, 20]);
  });

  test('and goes is left over a new connection, since one that is open may lead to the same process', async () => {
    const gone = new Set<unknown>();
    const waiting: (() => void)[] = [];
    let isGoing = false;
    let refused = 0;
    const service = await serveHttp(({ socket }, res) => {
      if (!isGoing) gone.add(socket);
      if (!isGoing) return void waiting.push(() => res.writeHead(200, JSON_TYPE).end('{}'));
      if (gone.has(socket)) refused += 1;
      res.writeHead(gone.has(socket) ? 503 : 200, gone.has(socket) ? { 'x-draining': 'true' } : JSON_TYPE).end('{}');
    });
    cleanups.push(service.close);
    const client = clientOf(service.url);
    const held = Array.from({ length: 5 }, () => ask(client));
    await waitFor(() => waiting.length === 5);
    waiting.forEach((answer) => answer());
    await Promise.all(held);
    isGoing = true;
    const statuses: number[] = [];
    await waitFor(async () => {
      statuses.push((await ask(client)).status);
      return refused > 0;
    });
    expect(statuses).toEqual(statuses.map(() => 200));
  });

  test('and goes answers itself where nobody else is there, after it was asked twice more', async () => {
    const going = await serve503({ 'x-draining': 'true', 'retry-after': '1' });
    expect(await ask(clientOf(going.url))).toEqual({ status: 503, headers: { 'retry-after': '1' }, body: '{"error":{}}' });
    expect(going.seen.length).toBe(3);
  });

  test('may say that what it asks is away: that is the answer, and nobody else is asked', async () => {
    const [refusing, well] = [await serve503({ 'retry-after': '4' }), await serveJson()];
    expect(await ask(clientOf(refusing.url, well.url))).toEqual({ status: 503, headers: { 'retry-after': '4' }, body: '{"error":{}}' });
    expect(well.seen).toEqual([]);
  });

  test('whose tokens are being changed is unavailable, not the caller unknown', async () => {
    const server = await serveHttp((_req, res) => void res.writeHead(401, { 'content-type': 'application/json' }).end('{}'));
    cleanups.push(server.close);
    await expect(ask(clientOf(server.url))).rejects.toMatchObject({ code: 'service_unavailable' });
  });
});

test('a stream that is silent says so with comments, between its own pieces and for no longer than it lasts', async () => {
  let say: (text: string) => void = () => undefined;
  const pieces = withHeartbeats((async function* () { yield 'a'; yield await new Promise<string>((resolve) => (say = resolve)); })(), 10);
  expect((await pieces.next()).value).toBe('a');
  expect([(await pieces.next()).value, (await pieces.next()).value]).toEqual([': ping\n\n', ': ping\n\n']);
  say('b');
  let next = await pieces.next();
  while (next.value === ': ping\n\n') next = await pieces.next();
  expect([next.value, await pieces.next()]).toEqual(['b', { done: true, value: undefined }]);
});

test('a silent stream that is left is left where it is made', async () => {
  let isLeft = false;
  const pieces = withHeartbeats((async function* () { try { yield 'a'; yield 'b'; } finally { isLeft = true; } })(), 1000);
  await pieces.next();
  await pieces.return(undefined);
  expect(isLeft).toBe(true);
});
