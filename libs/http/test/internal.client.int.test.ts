import { afterEach, describe, expect, test } from '@jest/globals';
import { httpTransport, InternalClient, injectTransport } from '@nightshift/http';
import { freePort } from '@nightshift/runtime';
import { waitFor } from '@nightshift/testing';
import { z } from 'zod';
import { type Handler, serveHttp } from './local-servers.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const Reply = z.object({ n: z.number() });
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const answer =
  (status: number, body: unknown): Handler =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

async function serve(handler: Handler, port = 0) {
  const server = await serveHttp(handler, { port });
  cleanups.push(server.close);
  return server;
}

function clientOf(...urls: string[]): InternalClient {
  const { transport, close } = httpTransport(urls);
  cleanups.push(close);
  return new InternalClient(transport, 'own-token');
}

/** Answers 503 so many times, then well. */
function starting(times: number): Handler {
  let left = times;
  return (req, res, body) => (left-- > 0 ? answer(503, { status: 'unready' })(req, res, body) : answer(200, { n: 1 })(req, res, body));
}

describe('a call to another service', () => {
  test('carries the own token, the trace and the body, and gives what fits the schema', async () => {
    const server = await serve(answer(200, { n: 7, unknown: true }));
    const client = clientOf(server.url);
    expect(await client.call({ method: 'POST', path: '/internal/x?y=1', body: { a: 1 }, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` }, Reply)).toEqual({ n: 7 });
    expect(server.seen).toMatchObject([{ method: 'POST', url: '/internal/x?y=1', body: '{"a":1}', headers: { authorization: 'Bearer own-token', traceparent: expect.stringMatching(`^00-${TRACE}-[0-9a-f]{16}-01$`), 'content-type': 'application/json' } }]);
    await client.call({ method: 'GET', path: '/internal/x' }, Reply);
    expect(server.seen[1]).toMatchObject({ method: 'GET', body: '' });
    expect(server.seen[1]!.headers).not.toHaveProperty('content-type');
  });

  test('goes to the next address at once when one is away, also when each is to be asked once', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const stopping = await serve(answer(503, { status: 'unready' }));
    const well = await serve(answer(200, { n: 1 }));
    const client = clientOf(away, stopping.url, well.url);
    for (const once of [false, true, false, true]) expect(await client.call({ method: 'GET', path: '/x', once }, Reply)).toEqual({ n: 1 });
    expect(well.seen.length).toBe(4);
    await expect(clientOf(away, away).call({ method: 'GET', path: '/x', once: true }, Reply)).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  test('that is refused rejects with the same code, text and details', async () => {
    const server = await serve(answer(409, { error: { code: 'conflict', message: 'used before', details: { fields: { key: 'used' } } } }));
    await expect(clientOf(server.url).call({ method: 'GET', path: '/x' }, Reply)).rejects.toMatchObject({ code: 'conflict', message: 'used before', details: { fields: { key: 'used' } } });
  });

  test.each([[500, { error: { code: 'never_heard_of' } }], [418, {}], [500, { error: { code: 'constructor' } }]])('that is answered with %i and no code that we know is an internal error', async (status, body) => {
    const server = await serve(answer(status, body));
    await expect(clientOf(server.url).call({ method: 'GET', path: '/x' }, Reply)).rejects.toMatchObject({ code: 'internal_error' });
  });

  test('whose answer does not fit the schema rejects', async () => {
    const server = await serve(answer(200, { n: 'seven' }));
    await expect(clientOf(server.url).call({ method: 'GET', path: '/x' }, Reply)).rejects.toThrow('expected number');
  });
});

describe('a service that restarts', () => {
  test('is asked again until it is ready', async () => {
    const server = await serve(starting(2));
    expect(await clientOf(server.url).call({ method: 'POST', path: '/x', body: { a: 1 } }, Reply)).toEqual({ n: 1 });
    expect(server.seen.map(({ body }) => body)).toEqual(['{"a":1}', '{"a":1}', '{"a":1}']);
  });

  test('is found again when it listens again', async () => {
    const port = await freePort();
    const pending = clientOf(`http://127.0.0.1:${port}`).call({ method: 'GET', path: '/x' }, Reply);
    await serve(answer(200, { n: 1 }), port);
    expect(await pending).toEqual({ n: 1 });
  });

  test('leaves its requests to its other replicas', async () => {
    const [first, second] = [await serve(answer(200, { n: 1 })), await serve(answer(200, { n: 2 }))];
    const client = clientOf(first.url, second.url);
    const ask = async () => (await client.call({ method: 'GET', path: '/x' }, Reply)).n;
    expect(new Set([await ask(), await ask()])).toEqual(new Set([1, 2]));
    await first.close();
    expect([await ask(), await ask(), await ask()]).toEqual([2, 2, 2]);
  });

  test('for too long is unavailable, with an advice when to come back', async () => {
    const startedAt = performance.now();
    const pending = clientOf(`http://127.0.0.1:${await freePort()}`).call({ method: 'GET', path: '/x' }, Reply);
    await expect(pending).rejects.toMatchObject({ code: 'service_unavailable', status: 503, headers: { 'retry-after': '1' } });
    expect(performance.now() - startedAt).toBeLessThan(6000);
  });
});

/** Takes every request and answers none. */
const frozen: Handler = () => undefined;
/** Far more than a server that is well needs, also on a machine that does much besides. */
const SILENCE_MS = 1000;

describe('an address that stands still', () => {
  test('is waited for so long, then the next is asked', async () => {
    const [still, well] = [await serve(frozen), await serve(answer(200, { n: 1 }))];
    const client = clientOf(still.url, well.url);
    for (const once of [false, true]) expect(await client.call({ method: 'POST', path: '/x', silenceMs: SILENCE_MS, once }, Reply)).toEqual({ n: 1 });
    expect([still.seen.length, well.seen.length]).toEqual([1, 2]);
  });

  test('is asked after the others for a while, and by one request alone after that', async () => {
    const [still, well] = [await serve(frozen), await serve(answer(200, { n: 1 }))];
    const client = clientOf(still.url, well.url);
    const ask = () => client.call({ method: 'GET', path: '/x', silenceMs: SILENCE_MS }, Reply);
    await ask();
    await Promise.all(Array.from({ length: 20 }, ask));
    expect(still.seen).toHaveLength(1);
    await waitFor(async () => (await ask()) && still.seen.length === 2, { timeoutMs: 10_000 });
    await Promise.all(Array.from({ length: 20 }, ask));
    expect([still.seen.length, well.seen.length > 40]).toEqual([2, true]);
  }, 20_000);

  test('is asked once by a request, and unavailable when no other is left', async () => {
    const still = [await serve(frozen), await serve(frozen)];
    const client = clientOf(...still.map(({ url }) => url));
    await expect(client.call({ method: 'GET', path: '/x', silenceMs: 100 }, Reply)).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(still.map(({ seen }) => seen.length)).toEqual([1, 1]);
  });

  test('in the middle of its answer too', async () => {
    const still = await serve((_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{"n":'));
    const well = await serve(answer(200, { n: 1 }));
    expect(await clientOf(still.url, well.url).call({ method: 'GET', path: '/x', silenceMs: SILENCE_MS }, Reply)).toEqual({ n: 1 });
  });
});

describe('a request that must not be repeated', () => {
  const send = (...urls: string[]) => clientOf(...urls).call({ method: 'POST', path: '/x', body: {}, silenceMs: 200, unrepeatable: true }, Reply);

  test.each<[string, Handler]>([
    ['says nothing', frozen],
    ['closes the connection', (_req, res) => void res.destroy()],
    ['answers 503', answer(503, {})],
  ])('is not sent again when whoever took it %s', async (_, handler) => {
    const [bad, well] = [await serve(handler), await serve(answer(200, { n: 1 }))];
    await expect(send(bad.url, well.url)).rejects.toMatchObject({ code: 'service_unavailable' });
    expect([bad.seen.length, well.seen.length]).toEqual([1, 0]);
  });

  test('goes to the next address where no connection was made', async () => {
    const well = await serve(answer(200, { n: 1 }));
    expect(await send(`http://127.0.0.1:${await freePort()}`, well.url)).toEqual({ n: 1 });
  });
});

describe('a question that is asked once', () => {
  test('takes a 503 for an answer', async () => {
    const server = await serve(answer(503, { n: 0 }));
    expect(await clientOf(server.url).call({ method: 'GET', path: '/ready', once: true }, Reply)).toEqual({ n: 0 });
    expect(server.seen).toHaveLength(1);
  });

  test('does not wait for a service that is away', async () => {
    const startedAt = performance.now();
    await expect(clientOf(`http://127.0.0.1:${await freePort()}`).call({ method: 'GET', path: '/ready', once: true }, Reply)).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });
});

test('a call within the process goes through the same checks without a socket', async () => {
  const seen: unknown[] = [];
  const client = new InternalClient(
    injectTransport((request) => {
      seen.push(request);
      return Promise.resolve({ statusCode: 200, payload: '{"n":3}' });
    }),
    'own-token',
  );
  expect(await client.call({ method: 'POST', path: '/internal/x', body: { a: 1 } }, Reply)).toEqual({ n: 3 });
  expect(seen).toEqual([{ method: 'POST', url: '/internal/x', headers: { authorization: 'Bearer own-token', 'content-type': 'application/json' }, payload: '{"a":1}' }]);
});
