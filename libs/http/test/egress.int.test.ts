import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createEgress, type Egress, EgressError, type EgressOptions, type EgressRequest } from '../src/index.ts';
import { type Handler, serveHttp, serveTcp } from './local-servers.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(handler: Handler, where?: { host?: string; port?: number }) {
  const server = await serveHttp(handler, where);
  cleanups.push(server.close);
  return server;
}

async function serveSockets(onSocket: (socket: Socket) => void): Promise<number> {
  const { port, close } = await serveTcp(onSocket);
  cleanups.push(close);
  return port;
}

function egressWith(options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({ allow: ['127.0.0.0/8'], ...options });
  cleanups.push(() => egress.close());
  return egress;
}

const get = (url: string, more: Partial<EgressRequest> = {}): EgressRequest => ({ method: 'GET', url, timeoutMs: 5000, responseBytesMax: 1_000_000, ...more });

async function failure(pending: Promise<unknown>): Promise<EgressError> {
  const outcome = await pending.then(
    () => 'it succeeded',
    (err: unknown) => err,
  );
  if (outcome instanceof EgressError) return outcome;
  throw new Error('not refused', { cause: outcome });
}

const ok: Handler = (_req, res) => void res.end('ok');

describe('what may be reached', () => {
  test('a private address is not even connected to', async () => {
    const server = await serve(ok);
    const egress = egressWith({ allow: [], lookup: async () => ['127.0.0.1'] });
    for (const url of [server.url, `http://localhost:${server.port}`, `http://named.example:${server.port}`, `http://0x7f.1:${server.port}`]) {
      expect((await failure(egress.request(get(url)))).code).toBe('address_blocked');
    }
    expect(server.connections()).toBe(0);
  });

  test('a connection one organisation may use is not open to another', async () => {
    const server = await serve(ok);
    const egress = egressWith({ allow: [], lookup: async () => ['127.0.0.1'] });
    for (const url of [server.url, `http://named.example:${server.port}/`]) {
      expect((await egress.request(get(url, { allow: ['127.0.0.1/32'] }))).body.toString()).toBe('ok');
      expect((await failure(egress.request(get(url)))).code).toBe('address_blocked');
      expect((await failure(egress.request(get(url, { allow: ['127.0.0.2/32'] })))).code).toBe('address_blocked');
    }
    expect(server.seen.length).toBe(2);
  });

  test('a name that changes its address is reached at the address that was checked, never through an older connection', async () => {
    const first = await serve((_req, res) => void res.end('first'));
    await serve((_req, res) => void res.end('second'), { host: '127.0.0.2', port: first.port });
    const answers = ['127.0.0.1', '127.0.0.2', '10.0.0.1'];
    const egress = egressWith({ addressTtlMs: 0, addressStaleMs: 0, lookup: async () => [answers.shift() ?? 'none'] });
    const url = `http://rebinding.example:${first.port}/`;
    expect((await egress.request(get(url))).body.toString()).toBe('first');
    expect((await egress.request(get(url))).body.toString()).toBe('second');
    expect((await failure(egress.request(get(url)))).code).toBe('address_blocked');
  });

  test('of several addresses only the permitted ones are tried, and one that refuses is left for the next without sending twice', async () => {
    const server = await serve(ok);
    const egress = egressWith({ allow: ['127.0.0.1/32', '127.0.0.3/32'], lookup: async () => ['10.0.0.1', '127.0.0.3', '127.0.0.1'] });
    const { status } = await egress.request(get(`http://several.example:${server.port}/`, { method: 'POST', body: 'once' }));
    expect(status).toBe(200);
    expect(server.seen.map(({ body }) => body)).toEqual(['once']);
  });

  test('the name stays the host of the request', async () => {
    const server = await serve(ok);
    const egress = egressWith({ lookup: async () => ['127.0.0.1'] });
    await egress.request(get(`http://shown.example.:${server.port}/p?q=1#f`));
    expect(server.seen[0]).toMatchObject({ url: '/p?q=1', headers: { host: `shown.example:${server.port}` } });
  });
});

describe('a redirect', () => {
  test.each([302, 307])('to a private address is blocked as such (%i), whether it takes the body there or not', async (status) => {
    const inner = await serve(ok, { host: '127.0.0.2' });
    const outer = await serve((_req, res) => void res.writeHead(status, { location: inner.url }).end());
    const egress = egressWith({ allow: ['127.0.0.1/32'] });
    expect((await failure(egress.request(get(outer.url, { method: 'POST', body: 'x', redirects: 3 })))).code).toBe('address_blocked');
    expect(inner.connections()).toBe(0);
  });

  test('is the answer when none are followed', async () => {
    const server = await serve((_req, res) => void res.writeHead(307, { location: '/next' }).end());
    const answer = await egressWith().request(get(server.url));
    expect([answer.status, answer.headers['location']]).toEqual([307, '/next']);
    expect(server.seen.length).toBe(1);
  });

  test('takes no credentials to another origin, and keeps them on its own', async () => {
    const target = await serve(ok);
    const server = await serve((req, res) => void res.writeHead(307, { location: req.url === '/a' ? '/b' : `${target.url}/c` }).end());
    const headers = { authorization: 'Bearer s', cookie: 'c', 'x-api-key': 'k', accept: 'text/plain', traceparent: 't' };
    await egressWith().request(get(`${server.url}/a`, { headers, redirects: 2 }));
    expect([server.seen[1], target.seen[0]]).toMatchObject([{ url: '/b', headers }, { url: '/c', headers: { accept: 'text/plain', traceparent: 't' } }]);
    for (const name of ['authorization', 'cookie', 'x-api-key']) expect(target.seen[0]?.headers).not.toHaveProperty(name);
  });

  test.each([307, 308])('%i keeps the body on its own origin, and hands it to no other', async (status) => {
    const target = await serve(ok);
    const server = await serve((req, res) => void res.writeHead(status, { location: req.url === '/a' ? '/b' : `${target.url}/c` }).end());
    expect(await failure(egressWith().request(get(`${server.url}/a`, { method: 'POST', body: 'secret', redirects: 2 })))).toMatchObject({ code: 'redirect_refused', isUnsent: false, message: expect.stringContaining(target.url) });
    expect(server.seen.map(({ url, body }) => [url, body])).toEqual([['/a', 'secret'], ['/b', 'secret']]);
    expect(target.connections()).toBe(0);
  });

  test.each([301, 302, 303])('%i turns a POST into a GET without a body', async (status) => {
    const server = await serve((req, res) => void (req.url === '/' ? res.writeHead(status, { location: '/next' }).end() : res.end('ok')));
    await egressWith().request(get(server.url, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' }, redirects: 1 }));
    expect(server.seen[1]).toMatchObject({ method: 'GET', url: '/next', body: '' });
    expect(server.seen[1]?.headers).not.toHaveProperty('content-type');
  });

  test('without end, or to another scheme, fails', async () => {
    const loop = await serve((_req, res) => void res.writeHead(302, { location: '/' }).end());
    const odd = await serve((_req, res) => void res.writeHead(302, { location: 'file:///etc/passwd' }).end());
    expect((await failure(egressWith().request(get(loop.url, { redirects: 3 })))).code).toBe('too_many_redirects');
    expect(loop.seen.length).toBe(4);
    expect((await failure(egressWith().request(get(odd.url, { redirects: 3 })))).code).toBe('invalid_url');
  });
});

describe('the time of a request', () => {
  const drip: Handler = (_req, res) => {
    res.write('x');
    const timer = setInterval(() => res.write('x'), 20);
    res.on('close', () => clearInterval(timer));
  };
  const never = new Promise<never>(() => {});

  test('covers DNS, connecting, headers and body', async () => {
    const silent = await serve(() => {});
    const dripping = await serve(drip);
    const deaf = await serveSockets((socket) => void socket.pause());
    const started = performance.now();
    const errors = await Promise.all([
      failure(egressWith({ lookup: () => never }).request(get('http://slow.example/', { timeoutMs: 150 }))),
      failure(egressWith().request(get(`https://127.0.0.1:${deaf}/`, { timeoutMs: 150 }))),
      failure(egressWith().request(get(silent.url, { timeoutMs: 150 }))),
      failure(egressWith().request(get(dripping.url, { timeoutMs: 150 }))),
    ]);
    expect(errors.map(({ code }) => code)).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('ends while it waits for a connection, and it is then never sent', async () => {
    const held: ServerResponse[] = [];
    const server = await serve((_req, res) => void held.push(res));
    const egress = egressWith({ connections: 1 });
    const first = egress.request(get(`${server.url}/first`));
    const second = await failure(egress.request(get(`${server.url}/second`, { timeoutMs: 100 })));
    held[0]?.end('ok');
    await first;
    const third = egress.request(get(`${server.url}/third`));
    while (held.length < 2) await new Promise((resolve) => setImmediate(resolve));
    held[1]?.end('ok');
    await third;
    expect(second.code).toBe('timeout');
    expect(server.seen.map(({ url }) => url)).toEqual(['/first', '/third']);
  });

  test('ends when its caller gives up, before and during it', async () => {
    const controller = new AbortController();
    const closed = Promise.withResolvers<void>();
    const server = await serve((_req, res) => {
      res.on('close', closed.resolve);
      controller.abort();
    });
    const egress = egressWith();
    expect((await failure(egress.request(get(server.url, { signal: controller.signal })))).code).toBe('aborted');
    await closed.promise;
    expect((await failure(egress.request(get(server.url, { signal: controller.signal })))).code).toBe('aborted');
    expect(server.seen.length).toBe(1);
  });
});

test('closing ends what is under way', async () => {
  const arrived = Promise.withResolvers<void>();
  const server = await serve(() => arrived.resolve());
  const egress = egressWith();
  const pending = failure(egress.request(get(server.url)));
  await arrived.promise;
  await egress.close();
  expect((await pending).code).toBe('aborted');
});

describe('a body', () => {
  test('is cut at the cap, with its length when it is known', async () => {
    const server = await serve((req, res) => {
      if (req.url === '/known') res.setHeader('content-length', 2_000_000);
      res.end(Buffer.alloc(2_000_000, 'a'));
    });
    const chunked = await serve((_req, res) => {
      res.write(Buffer.alloc(1_000_000, 'a'));
      res.end(Buffer.alloc(1_000_000, 'a'));
    });
    const known = await egressWith().request(get(`${server.url}/known`, { responseBytesMax: 1000 }));
    expect([known.body.length, known.truncated, known.bodyBytes]).toEqual([1000, true, 2_000_000]);
    const unknown = await egressWith().request(get(chunked.url, { responseBytesMax: 1000 }));
    expect([unknown.body.length, unknown.truncated, unknown.bodyBytes]).toEqual([1000, true, null]);
    const whole = await egressWith().request(get(chunked.url, { responseBytesMax: 2_000_000 }));
    expect([whole.body.length, whole.truncated, whole.bodyBytes]).toEqual([2_000_000, false, 2_000_000]);
  });

  test('is not asked for in a coding, and one that comes anyway is unfolded no further than the cap', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const server = await serve((req, res) => void res.writeHead(200, { 'content-encoding': 'gzip' }).end(req.url === '/bomb' ? bomb : gzipSync('small')));
    const small = await egressWith().request(get(server.url, { headers: { 'Accept-Encoding': 'gzip' } }));
    expect([small.body.toString(), small.truncated]).toEqual(['small', false]);
    expect(server.seen[0]?.headers['accept-encoding']).toBe('identity');
    const large = await egressWith().request(get(`${server.url}/bomb`, { responseBytesMax: 100_000 }));
    expect([large.body.length, large.truncated]).toEqual([100_000, true]);
  });

  test('that breaks off in its coding gives what came before', async () => {
    const cut = gzipSync('x'.repeat(1000)).subarray(0, 20);
    const server = await serve((_req, res) => void res.writeHead(200, { 'content-encoding': 'gzip' }).end(cut));
    const answer = await egressWith().request(get(server.url));
    expect([answer.status, answer.truncated]).toEqual([200, true]);
  });
});

describe('a failure', () => {
  test('has a code that says what went wrong and a text that gives nothing away', async () => {
    const gone = await serveSockets((socket) => void socket.destroy());
    const resetting = await serveSockets((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    const garbled = await serveSockets((socket) => void socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n')));
    const plain = await serve(ok);
    const freed = await serve(ok);
    await cleanups.pop()?.();
    const secret = 'hunter2';
    const at = (scheme: string, port: number, host = '127.0.0.1') => `${scheme}://u:${secret}@${host}:${port}/${secret}?k=${secret}`;
    const egress = egressWith({ lookup: () => Promise.reject(new Error('NXDOMAIN')) });
    const cases: [string, string][] = [
      [at('http', freed.port), 'connection_refused'],
      [at('http', gone), 'connection_reset'],
      [at('http', resetting), 'connection_reset'],
      [at('http', garbled), 'connection_reset'],
      [at('https', plain.port), 'tls_error'],
      [at('http', 80, 'absent.example'), 'dns_error'],
      [at('http', 80, '10.0.0.1'), 'address_blocked'],
      [at('ftp', 80), 'invalid_url'],
    ];
    for (const [url, code] of cases) {
      const err = await failure(egress.request(get(url, { method: 'POST', body: secret, headers: { 'x-secret': secret } })));
      expect([url, err.code]).toEqual([url, code]);
      expect(err.message).not.toContain(secret);
    }
  });

  test('a header that is not valid HTTP fails that request alone', async () => {
    const server = await serve(ok);
    const egress = egressWith();
    expect((await failure(egress.request(get(server.url, { headers: { 'x-a': 'a\r\nx-b: 1' } })))).code).toBe('invalid_url');
    expect((await egress.request(get(server.url))).status).toBe(200);
  });
});

test('connections are kept from request to request', async () => {
  const server = await serve(ok);
  const egress = egressWith();
  for (let i = 0; i < 50; i += 1) await egress.request(get(server.url));
  expect(server.seen.length).toBe(50);
  // The client leaves a connection alone for one turn of the event loop after an answer, so two take turns.
  expect(server.connections()).toBeLessThanOrEqual(2);
});

test("a URL's user and password become basic authorization, unless the headers have their own", async () => {
  const server = await serve(ok);
  const url = server.url.replace('//', '//us%C3%A9r:p%40ss@');
  await egressWith().request(get(url));
  await egressWith().request(get(url, { headers: { Authorization: 'Bearer own' } }));
  expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([`Basic ${Buffer.from('usér:p@ss').toString('base64')}`, 'Bearer own']);
});
