import { type Server, request } from 'node:http';
import { connect } from 'node:net';
import { Body, Controller, Get, Param, Post, Query, Req } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError, ErrorBody } from '@nightshift/contracts';
import { type AppRequest, BODY_BYTES_MAX, BODY_LEVELS_MAX, createApp, HealthController, portOf, Returns, serveMetrics } from '@nightshift/http';
import { createLog, ReadinessChecks } from '@nightshift/runtime';
import { waitFor } from '@nightshift/testing';
import { z } from 'zod';

const Order = z.object({ name: z.string().min(1), lines: z.array(z.object({ count: z.number().int() })).default([]) });
const Answer = z.object({ name: z.string() });
const Car = z.object({ fields: z.record(z.string(), z.unknown()) });
const readiness = new ReadinessChecks();
let check: () => { state: 'ready' } | { state: 'degraded'; missing: string } | { state: 'unready'; reason: string } = () => ({ state: 'ready' });
readiness.add(() => [check()]);

@Controller()
class OrdersController {
  @Post('orders')
  @Returns(201, Answer)
  create(@Body({ schema: Order }) order: z.infer<typeof Order>): { name: string } {
    return { ...order, secret: 'not for the wire' } as { name: string };
  }

  @Post('orders/:id/cancel')
  @Returns(200, z.object({ id: z.string(), body: z.unknown(), rawBytes: z.number().nullable() }))
  cancel(@Param('id') id: string, @Body() body: unknown, @Req() req: AppRequest): { id: string; body: unknown; rawBytes: number | null } {
    return { id, body: body ?? 'nothing', rawBytes: req.rawBody?.length ?? null };
  }

  @Post('cars')
  @Returns(201, Car)
  car(@Body({ schema: Car }) car: z.infer<typeof Car>): z.infer<typeof Car> {
    return car;
  }

  @Get('orders')
  list(@Query({ schema: z.object({ limit: z.coerce.number().int().max(100).default(50) }) }) query: { limit: number }): { limit: number } {
    return query;
  }

  @Get('broken/:how')
  broken(@Param('how') how: string): never {
    if (how === 'conflict') throw new AppError('conflict', { headers: { 'x-should-retry': 'false' } });
    if (how === 'database') throw Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });
    throw new Error('canary: the password is hunter2');
  }

  @Get('internal/secrets')
  secrets(): { secret: string } {
    return { secret: 'for services only' };
  }
}
class TestModule {}

let app: Awaited<ReturnType<typeof createApp>>;
let port: number;

beforeAll(async () => {
  const module = { module: TestModule, controllers: [OrdersController, HealthController], providers: [{ provide: ReadinessChecks, useValue: readiness }] };
  app = await createApp(module, { name: 'test', log: createLog({ level: 'silent', format: 'json' }), serviceTokens: new Map([['runs', 'token-of-runs'], ['billing', 'token-of-billing']]) });
  await app.listen(0, '127.0.0.1');
  port = portOf(app);
});
afterAll(() => app.close());

interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
}

/** A request that goes out as it is given: `fetch` would normalise the path and leave out an empty body's type. */
function send(method: string, path: string, { headers = {}, body = '' }: { headers?: Record<string, string>; body?: string | Buffer } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, method, path, headers: { 'content-length': String(Buffer.byteLength(body)), ...headers }, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text === '' ? '' : JSON.parse(text) });
      });
    });
    req.on('error', reject).end(body);
  });
}

const json = { 'content-type': 'application/json' };
const code = ({ status, body }: Reply) => [status, ErrorBody.parse(body).error.code];

describe('a body', () => {
  test('that fits the schema is taken, and what the answer’s schema does not name is left out', async () => {
    expect(await send('POST', '/orders', { headers: json, body: '{"name":"a","unknown":1}' })).toMatchObject({ status: 201, body: { name: 'a' } });
    expect((await send('POST', '/orders', { headers: json, body: '{"name":"a"}' })).body).toEqual({ name: 'a' });
  });

  test('that does not fit names every wrong field', async () => {
    const reply = await send('POST', '/orders', { headers: json, body: '{"name":"","lines":[{"count":1},{"count":"x"}]}' });
    expect(code(reply)).toEqual([400, 'invalid_request']);
    expect(Object.keys((reply.body as ErrorBody).error.details?.['fields'] as object)).toEqual(['name', 'lines.1.count']);
    expect((reply.body as ErrorBody).error.message).toMatch(/name: .*lines\.1\.count: /);
  });

  test('that is empty is none, although a client calls it JSON', async () => {
    expect(await send('POST', '/orders/7/cancel', { headers: json })).toMatchObject({ status: 200, body: { id: '7', body: 'nothing', rawBytes: 0 } });
    expect(await send('POST', '/orders/7/cancel')).toMatchObject({ status: 200, body: { id: '7', body: 'nothing', rawBytes: null } });
    expect(code(await send('POST', '/orders', { headers: json }))).toEqual([400, 'invalid_request']);
  });

  test.each(['{"name":', '{name:1}', '\u0000', '{"a":1}}'])('that is broken JSON is refused: %j', async (body) => {
    const reply = await send('POST', '/orders', { headers: json, body });
    expect(code(reply)).toEqual([400, 'invalid_request']);
    expect((reply.body as ErrorBody).error.message).toContain('not valid JSON');
  });

  test.each(['null', '[]', '"text"', '7'])('that is %s and not an object is refused', async (body) => {
    expect(code(await send('POST', '/orders', { headers: json, body }))).toEqual([400, 'invalid_request']);
  });

  test('of another type is refused, with the one that is wanted', async () => {
    const reply = await send('POST', '/orders', { headers: { 'content-type': 'application/xml' }, body: '<name/>' });
    expect(code(reply)).toEqual([400, 'invalid_request']);
    expect((reply.body as ErrorBody).error.message).toContain('Content-Type: application/json');
  });

  test('may be nested so deep and no deeper, and what is deeper takes no time', async () => {
    const nested = (levels: number) => `{"name":"a","other":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(await send('POST', '/orders', { headers: json, body: nested(BODY_LEVELS_MAX) })).toMatchObject({ status: 201 });
    for (const levels of [BODY_LEVELS_MAX + 1, 2_000_000]) {
      const reply = await send('POST', '/orders', { headers: json, body: nested(levels) });
      expect(code(reply)).toEqual([400, 'invalid_request']);
      expect((reply.body as ErrorBody).error.message).toContain('levels deep');
    }
  });

  test('keeps the keys that JavaScript has a meaning for', async () => {
    const sent = { constructor: { prototype: [{ constructor: 'Ferrari' }] }, prototype: null, hasOwnProperty: 1 };
    const reply = await send('POST', '/orders/7/cancel', { headers: json, body: JSON.stringify(sent) });
    expect((reply.body as { body: unknown }).body).toEqual(sent);
    expect(await send('POST', '/cars', { headers: json, body: JSON.stringify({ fields: sent }) })).toMatchObject({ status: 201, body: { fields: sent } });
  });

  test.each(['x'.repeat(600), '..', '%2e%2E', '.', '%2e'])('to an id that no object can have is a 404: %.10s', async (id) => {
    expect(code(await send('POST', `/orders/${id}/cancel`))).toEqual([404, 'not_found']);
  });

  test('comes without the characters that no database stores', async () => {
    const reply = await send('POST', '/orders/7/cancel', { headers: json, body: String.raw`{"a\u0000":["b\u0000c","\uD800","\ud83d\ude00","\\u0000"]}` });
    expect((reply.body as { body: unknown }).body).toEqual({ a: ['bc', '\ufffd', '😀', String.raw`\u0000`] });
    expect(await send('POST', '/orders/7%00/cancel')).toMatchObject({ status: 200, body: { id: '7\ufffd' } });
    expect(await send('GET', '/orders?limit=5%00')).toMatchObject({ status: 200, body: { limit: 5 } });
  });

  test('cannot change what all objects inherit', async () => {
    await send('POST', '/orders', { headers: json, body: '{"name":"a","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}' });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('of exactly 5 MiB is taken, of 6 MiB refused with 413 and the code that clients know', async () => {
    const sized = (bytes: number) => `{"name":"${'x'.repeat(bytes - 11)}"}`;
    expect(await send('POST', '/orders', { headers: json, body: sized(BODY_BYTES_MAX) })).toMatchObject({ status: 201 });
    const large = await send('POST', '/orders', { headers: json, body: sized(6 * 1024 * 1024) });
    expect(code(large)).toEqual([413, 'invalid_request']);
    expect(large.headers['x-request-id']).toBe((large.body as ErrorBody).requestId);
  });

  test('of 6 MiB that does not say its length is refused too', async () => {
    const reply = await new Promise<number>((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port, method: 'POST', path: '/orders', headers: { ...json, 'transfer-encoding': 'chunked' }, agent: false }, (res) => {
        resolve(res.statusCode ?? 0);
        res.resume();
      });
      req.on('error', reject);
      for (let part = 0; part < 6; part += 1) req.write(Buffer.alloc(1024 * 1024, 32));
      req.end();
    });
    expect(reply).toBe(413);
  });
});

describe('an error', () => {
  test('has one envelope, with the request’s id in body and header', async () => {
    const reply = await send('GET', '/broken/conflict');
    expect(reply).toMatchObject({ status: 409, headers: { 'x-should-retry': 'false', 'content-type': expect.stringContaining('application/json') } });
    expect(reply.body).toEqual({ error: { code: 'conflict', message: expect.any(String), type: 'conflict', param: null }, requestId: reply.headers['x-request-id'] });
  });

  test('that nobody foresaw says nothing of its inside', async () => {
    const reply = await send('GET', '/broken/anyhow');
    expect(code(reply)).toEqual([500, 'internal_error']);
    expect(JSON.stringify(reply)).not.toContain('hunter2');
  });

  test('of a database that is away asks to try again, and names no address', async () => {
    const reply = await send('GET', '/broken/database');
    expect([...code(reply), reply.headers['retry-after']]).toEqual([503, 'service_unavailable', '1']);
    expect(JSON.stringify(reply.body)).not.toContain('10.1.2.3');
  });

  test.each([['GET', '/nowhere'], ['DELETE', '/orders'], ['GET', '/%zz'], ['GET', `/orders/${'x'.repeat(600)}/y`]])('of %s %.20s is a 404 or 400 in the same envelope', async (method, path) => {
    const reply = await send(method, path);
    expect([400, 404]).toContain(reply.status);
    expect(['not_found', 'invalid_request']).toContain(ErrorBody.parse(reply.body).error.code);
    expect(reply.headers['x-request-id']).toBeTruthy();
  });

  test.each([
    ['no HTTP', 'NONSENSE\r\n\r\n', 400],
    ['one that is two', 'POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}', 400],
    ['one with 20,000 bytes of headers', `GET /orders HTTP/1.1\r\nhost: a\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('of a request that is %s comes in the same envelope', async (_what, request, status) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(request);
    let answer = '';
    for await (const piece of socket) answer += String(piece);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const { error, requestId } = ErrorBody.parse(JSON.parse(body));
    expect([error.code, head]).toEqual(['invalid_request', expect.stringContaining(`x-request-id: ${requestId}`)]);
  });

  test('of a query names the parameter', async () => {
    expect(await send('GET', '/orders?limit=7')).toMatchObject({ status: 200, body: { limit: 7 } });
    const reply = await send('GET', '/orders?limit=many');
    expect([...code(reply), (reply.body as ErrorBody).error.details]).toEqual([400, 'invalid_request', { fields: { limit: expect.any(String) } }]);
  });
});

test('a request has two minutes to arrive', () => {
  expect((app.getHttpServer() as Server).requestTimeout).toBe(120_000);
});

describe('a request id', () => {
  test('is the caller’s when it is a plain one, and our own otherwise', async () => {
    const idOf = async (given?: string) => (await send('GET', '/orders', { headers: given === undefined ? {} : { 'x-request-id': given } })).headers['x-request-id'];
    expect(await idOf('abc-123_X.y')).toBe('abc-123_X.y');
    for (const given of [undefined, 'two words', 'x'.repeat(129), '<script>', '']) expect(await idOf(given)).toMatch(/^req_[0-9a-f]{32}$/);
    expect(await idOf()).not.toBe(await idOf());
  });
});

describe('a route for services only', () => {
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  test('takes each service’s token', async () => {
    for (const token of ['token-of-runs', 'token-of-billing']) expect(await send('GET', '/internal/secrets', bearer(token))).toMatchObject({ status: 200 });
  });

  test.each([['none', {}], ['a wrong one', bearer('token-of-nobody')], ['a part of one', bearer('token-of-run')], ['an empty one', bearer('')], ['another scheme', { headers: { authorization: 'token-of-runs' } }]])('refuses a caller with %s', async (_, options) => {
    expect(code(await send('GET', '/internal/secrets', options))).toEqual([401, 'authentication_failed']);
  });

  test.each(['/%69nternal/secrets', '/internal%2fsecrets', '//internal/secrets', '/./internal/secrets', '/INTERNAL/secrets', '/internal/secrets/', '/internal/secrets;x', '/internal/../internal/secrets', '/internal/secrets?x', '/internal/secrets#x'])('has no other spelling without a token: %s', async (path) => {
    const reply = await send('GET', path);
    expect(JSON.stringify(reply.body)).not.toContain('for services only');
    expect([400, 401, 404]).toContain(reply.status);
  });

  test('leaves the others open', async () => {
    expect(await send('GET', '/health')).toMatchObject({ status: 200, body: { status: 'healthy' } });
  });
});

describe('readiness', () => {
  test('is 200 while requests can be answered, also when work is late, and 503 otherwise', async () => {
    expect(await send('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
    check = () => ({ state: 'degraded', missing: 'kafka' });
    expect(await send('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'degraded', missing: ['kafka'] } });
    check = () => ({ state: 'unready', reason: 'database: gone' });
    expect(await send('GET', '/ready')).toMatchObject({ status: 503, body: { status: 'unready', reasons: ['database: gone'] } });
    check = () => ({ state: 'ready' });
    readiness.drain();
    expect(await send('GET', '/ready')).toMatchObject({ status: 503, body: { status: 'unready', reasons: ['draining'] } });
    expect(await send('GET', '/health')).toMatchObject({ status: 200 });
  });
});

test('metrics are served on a port of their own, and count requests by route and status', async () => {
  await send('GET', '/orders');
  const metrics = await serveMetrics('127.0.0.1', 0);
  const text = async () => (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
  await waitFor(async () => (await text()).includes('route="/orders",status="200"'));
  expect(await text()).toMatch(/nightshift_http_request_duration_seconds_count\{service="test",route="\/orders",status="200"\} \d+/);
  expect((await fetch(`http://127.0.0.1:${metrics.port}/`)).status).toBe(404);
  await metrics.close();
});
