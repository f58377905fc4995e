import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createEgress, createFetch, EgressError, type FetchBounds } from '../src/index.ts';
import { type Handler, serveHttp } from './local-servers.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(handler: Handler) {
  const server = await serveHttp(handler);
  cleanups.push(server.close);
  return server;
}

function fetchWith(bounds: Partial<FetchBounds> = {}, allow: readonly string[] = ['127.0.0.0/8']) {
  const egress = createEgress({ allow });
  cleanups.push(() => egress.close());
  return createFetch(egress, { timeoutMs: 5000, responseBytesMax: 1_000_000, ...bounds });
}

/** The code of the failure, wherever in a chain of causes it stands. */
async function failure(pending: Promise<unknown>): Promise<string> {
  let err: unknown = await pending.then(() => new Error('it succeeded'), (reason: unknown) => reason);
  while (err instanceof Error && !(err instanceof EgressError) && err.cause !== undefined) err = err.cause;
  return err instanceof EgressError ? err.code : String(err);
}

describe('a fetch through the egress', () => {
  test('sends what it is given, and answers with status, headers and body', async () => {
    const server = await serve((req, res, body) => void res.writeHead(201, { 'x-seen': `${req.method} ${req.headers['x-key']}`, 'set-cookie': ['a=1', 'b=2'] }).end(`got ${body}`));
    const answer = await fetchWith()(new URL(server.url), { method: 'post', headers: new Headers({ 'X-Key': 'v' }), body: 'words' });
    expect([answer.status, answer.ok, answer.headers.get('x-seen'), answer.headers.getSetCookie(), await answer.text()]).toEqual([201, true, 'POST v', ['a=1', 'b=2'], 'got words']);
  });

  test('answers before the body is complete, and gives it as it comes', async () => {
    const { promise: readOn, resolve } = Promise.withResolvers<void>();
    const server = await serve((_req, res) => {
      res.write('first');
      void readOn.then(() => res.end('second'));
    });
    const reader = (await fetchWith()(server.url)).body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('first');
    resolve();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('second');
    expect((await reader.read()).done).toBe(true);
  });

  test.each([202, 204, 304])('takes an answer of %i without a body', async (status) => {
    const server = await serve((_req, res) => void res.writeHead(status).end());
    const answer = await fetchWith()(server.url);
    expect([answer.status, await answer.text()]).toEqual([status, '']);
  });

  test('follows no redirect', async () => {
    const server = await serve((_req, res) => void res.writeHead(307, { location: 'http://10.0.0.1/' }).end());
    const answer = await fetchWith()(server.url, { redirect: 'follow' });
    expect([answer.status, answer.headers.get('location')]).toEqual([307, 'http://10.0.0.1/']);
    expect(server.seen).toHaveLength(1);
  });

  test('reaches what the egress permits, and what is allowed for it alone', async () => {
    const server = await serve((_req, res) => void res.end('ok'));
    expect(await failure(fetchWith({}, [])(server.url))).toBe('address_blocked');
    expect(server.connections()).toBe(0);
    expect(await (await fetchWith({ allow: ['127.0.0.1/32'] }, [])(server.url)).text()).toBe('ok');
  });

  test.each<[string, number, (answer: Response) => unknown]>([
    ['is canceled before it was read', 200, (answer) => answer.body!.cancel()],
    ['nobody reads', 200, () => undefined],
    ['came with a redirect', 307, () => undefined],
  ])('closes a body that %s', async (_, status, give) => {
    const closed = Promise.withResolvers<void>();
    const server = await serve((_req, res) => {
      res.on('close', closed.resolve);
      res.writeHead(status, { location: '/next' }).write('endless');
    });
    await give(await fetchWith({ unreadMs: status === 200 ? 50 : 60_000, timeoutMs: 60_000 })(server.url));
    await closed.promise;
    expect(server.seen).toHaveLength(1);
  });

  test('unpacks a body that came packed, and gives one up that is too long, packed or not', async () => {
    const server = await serve((req, res) => void (req.url === '/plain' ? res.end('x'.repeat(20_000)) : res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(20_000)))));
    const answer = await fetchWith()(server.url);
    expect([answer.headers.get('content-encoding'), (await answer.text()).length]).toEqual([null, 20_000]);
    for (const path of ['/', '/plain']) expect(await failure(fetchWith({ responseBytesMax: 10_000 })(new URL(path, server.url)).then((cut) => cut.text()))).toBe('connection_reset');
  });

  test('ends when its time is up or its caller gives up, before the head and within the body', async () => {
    const server = await serve((req, res) => void (req.url === '/body' && res.write('begun')));
    for (const path of ['/', '/body']) {
      const url = new URL(path, server.url);
      expect(await failure(fetchWith({ timeoutMs: 50 })(url).then((answer) => answer.text()))).toBe('timeout');
      const abort = new AbortController();
      const pending = fetchWith()(url, { signal: abort.signal }).then((answer) => answer.text());
      const failed = failure(pending);
      setTimeout(() => abort.abort(), 20);
      expect(await failed).toBe('aborted');
    }
  });

  test('says so when the connection breaks within the body', async () => {
    const server = await serve((req, res) => void res.write('begun', () => req.socket.destroy()));
    expect(await failure(fetchWith()(server.url).then((answer) => answer.text()))).toBe('connection_reset');
  });

  test('lets go of the connection when nobody reads on', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<string>();
    const server = await serve((req, res) => {
      req.socket.once('close', () => resolve('closed'));
      res.write('begun');
    });
    await (await fetchWith()(server.url)).body!.cancel();
    expect(await closed).toBe('closed');
  });
});
