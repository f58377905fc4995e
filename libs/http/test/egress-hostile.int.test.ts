import type { Socket } from 'node:net';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createEgress, type Egress, EgressError, type EgressRequest, sanitizeHeaders } from '../src/index.ts';
import { serveHttp, serveTcp } from './local-servers.ts';

let egress: Egress;
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  egress = createEgress({ allow: ['127.0.0.0/8'] });
  cleanups.push(() => egress.close());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const get = (url: string, more: Partial<EgressRequest> = {}): EgressRequest => ({ method: 'GET', url, timeoutMs: 300, responseBytesMax: 100_000, ...more });
const codeOf = (pending: Promise<unknown>) => pending.then(() => 'it succeeded', (err: unknown) => (err instanceof EgressError ? err.code : err));

/** A server that does what it likes once a request has come. */
async function serveRaw(onRequest: (socket: Socket) => void): Promise<string> {
  const { port, close } = await serveTcp((socket) => void socket.once('data', () => onRequest(socket)));
  cleanups.push(close);
  return `http://127.0.0.1:${port}/`;
}

/** Writes a piece again and again until the other side goes. */
function repeat(socket: Socket, piece: string | Buffer, everyMs: number): void {
  const timer = setInterval(() => socket.write(piece), everyMs);
  socket.on('close', () => clearInterval(timer));
}

describe('an answer that is meant to hold on to the request', () => {
  test.each<[string, string, (socket: Socket) => void]>([
    ['that never begins', 'timeout', () => undefined],
    ['whose status line drips', 'timeout', (socket) => (socket.write('HTTP/1.1 200 '), repeat(socket, 'O', 20))],
    ['whose headers drip', 'timeout', (socket) => (socket.write('HTTP/1.1 200 OK\r\nx-slow: '), repeat(socket, 'a', 20))],
    ['whose headers do not end', 'connection_reset', (socket) => (socket.write('HTTP/1.1 200 OK\r\n'), repeat(socket, `x-more: ${'a'.repeat(4000)}\r\n`, 1))],
    ['of provisional answers alone', 'timeout', (socket) => repeat(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 5)],
    ['whose body drips', 'timeout', (socket) => (socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n'), repeat(socket, 'a', 20))],
    ['whose chunks do not end', 'timeout', (socket) => (socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'), repeat(socket, '1\r\na\r\n', 20))],
    ['that ends before it is complete', 'connection_reset', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')],
    ['that contradicts itself', 'connection_reset', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc')],
    ['with a length that is none', 'connection_reset', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc')],
  ])('%s ends with %s, and its connection is closed', async (_, code, behave) => {
    const closed = Promise.withResolvers<void>();
    const url = await serveRaw((socket) => {
      socket.on('close', () => closed.resolve());
      behave(socket);
    });
    expect(await codeOf(egress.request(get(url, code === 'timeout' ? {} : { timeoutMs: 10_000 })))).toBe(code);
    await closed.promise;
  });

  test('by redirecting slowly takes no longer than one that answers slowly', async () => {
    const server = await serveHttp((_req, res) => void setTimeout(() => res.writeHead(302, { location: '/next' }).end(), 60));
    cleanups.push(server.close);
    expect(await codeOf(egress.request(get(server.url, { redirects: 1000 })))).toBe('timeout');
  });

  test('with a body that does not end is cut, and its connection is closed', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await serveRaw((socket) => {
      socket.on('close', () => closed.resolve());
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      repeat(socket, Buffer.alloc(65_536, 'a'), 1);
    });
    const { body, truncated, bodyBytes } = await egress.request(get(url, { timeoutMs: 5000 }));
    expect([body.length, truncated, bodyBytes]).toEqual([100_000, true, null]);
    await closed.promise;
  });
});

describe('a body that unfolds', () => {
  const zeros = Buffer.alloc(50_000_000);
  const wideWindow = { params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_enableLongDistanceMatching]: 1 } };

  test.each<[string, string, Buffer, number]>([
    ['gzip', 'gzip', gzipSync(zeros), 100_000],
    ['deflate', 'deflate', deflateSync(zeros), 100_000],
    ['br', 'br', brotliCompressSync(zeros), 100_000],
    ['zstd', 'zstd', zstdCompressSync(zeros), 100_000],
    ['zstd with a window of 128 MiB', 'zstd', zstdCompressSync(Buffer.alloc(150_000_000), wideWindow), 0],
  ])('from %s does so no further than what is read', async (_, coding, bomb, length) => {
    const server = await serveHttp((_req, res) => void res.writeHead(200, { 'content-encoding': coding }).end(bomb));
    cleanups.push(server.close);
    const answer = await egress.request(get(server.url, { timeoutMs: 10_000 }));
    expect([answer.body.length, answer.truncated]).toEqual([length, true]);
  });

  test('several times over stays folded', async () => {
    const bomb = gzipSync(gzipSync(zeros));
    const server = await serveHttp((_req, res) => void res.writeHead(200, { 'content-encoding': 'gzip, gzip' }).end(bomb));
    cleanups.push(server.close);
    expect((await egress.request(get(server.url, { timeoutMs: 10_000 }))).body.equals(bomb)).toBe(true);
  });
});

describe('what is sent', () => {
  /** A server that keeps the bytes it is sent. */
  async function recorder() {
    const seen: string[] = [];
    const { port, close } = await serveTcp((socket) => {
      socket.setEncoding('latin1').on('data', (bytes: string) => {
        seen.push(bytes);
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      });
    });
    cleanups.push(close);
    return { seen, url: `http://127.0.0.1:${port}` };
  }
  const lines = (request: string) => request.slice(0, request.indexOf('\r\n\r\n')).split('\r\n');

  test('is one request with no headers but its own and those that are valid, whatever headers a user gives', async () => {
    const { seen, url } = await recorder();
    const piece = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('\r\n', '\n', '\r', '\0', ':', ' ', '\r\n\r\nGET /smuggled HTTP/1.1\r\n', 'content-length', 'transfer-encoding', 'host', 'connection', 'upgrade', 'expect', 'x-a', '\u2028', '\u010a\u010d'));
    const text = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(text, text, { maxKeys: 5 }), async (given) => {
        const { headers } = sanitizeHeaders(given);
        seen.length = 0;
        await egress.request(get(`${url}/only`, { headers, method: 'POST', body: '{}', timeoutMs: 5000 }));
        const [first, ...rest] = lines(seen.join(''));
        expect(first).toBe('POST /only HTTP/1.1');
        const names = rest.map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
        expect(names.toSorted()).toEqual(['accept-encoding', 'connection', 'content-length', 'host', ...Object.keys(headers)].toSorted());
        expect(seen.join('').endsWith('\r\n\r\n{}')).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test.each(['/a\r\nx-injected: 1', '/a b', '/a\tb\n', '/%0d%0ax-injected:%201', '/?q=\r\nx-injected: 1', '\\..\\a'])('has the path %j on one line', async (path) => {
    const { seen, url } = await recorder();
    await egress.request(get(`${url}${path}`, { timeoutMs: 5000 }));
    const [first, ...rest] = lines(seen.join(''));
    expect(first).toMatch(/^GET \/[!-~]* HTTP\/1\.1$/);
    expect(rest.map((line) => line.slice(0, line.indexOf(':'))).toSorted()).toEqual(['accept-encoding', 'connection', 'host']);
  });
});
