import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createEgress, type Egress } from '@nightshift/http';
import { callFunction, type FunctionCall } from '../src/function.tool.ts';
import { Outbound } from '../src/outbound.client.ts';

type Answer = (req: IncomingMessage, res: ServerResponse) => void;

const secrets = { header: 'canary-in-a-header', default: 'canary-in-a-default' };
const server = createServer((req, res) => {
  let body = '';
  req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
  req.on('end', () => {
    seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
    answer(req, res);
  });
});
let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
let answer: Answer;
let egress: Egress;
let origin: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  seen = [];
  egress = createEgress({ allow: ['127.0.0.1/32'] });
});
afterEach(() => egress.close());
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function call(respond: Answer, tool: Partial<FunctionCall['tool']> = {}, more: Partial<FunctionCall> = {}) {
  answer = respond;
  const result = await callFunction(new Outbound(egress), {
    tool: { name: 'weather', url: `${origin}/weather`, method: 'POST', timeoutMs: 5000, retry: 'safe', headers: { 'x-key': secrets.header }, defaults: { key: secrets.default }, ...tool },
    arguments: { city: 'Oslo' },
    callId: 'call_1',
    orgId: 'org_1',
    lane: 'org_1 weather',
    attempt: 2,
    traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
    ...more,
  });
  for (const secret of Object.values(secrets)) expect(JSON.stringify(result)).not.toContain(secret);
  return result;
}

const json =
  (text: string, status = 200): Answer =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(text);

describe('a function tool is called', () => {
  test('by POST with flat arguments, its own headers, the key of the call and the trace', async () => {
    expect(await call(json('{"temperature":21}'))).toEqual({ isError: false, content: { temperature: 21 } });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/weather', body: JSON.stringify({ city: 'Oslo', key: secrets.default }) });
    expect(seen[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-key': secrets.header,
      'idempotency-key': 'call_1',
      'x-attempt': '2',
      traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
    });
  });

  test('by GET with the arguments in the query and no body', async () => {
    await call(json('{}'), { method: 'GET', url: `${origin}/weather?v=2` });
    expect(seen[0]).toMatchObject({ method: 'GET', url: `/weather?v=2&city=Oslo&key=${secrets.default}`, body: '' });
    expect(seen[0]?.headers).not.toHaveProperty('content-type');
  });

  test('with headers of its own that can neither replace what the server sets nor break the request', async () => {
    const headers = { Host: 'evil.example', 'Idempotency-Key': 'other', 'X-Attempt': '9', Connection: 'close', 'x-bad': 'a\r\nx-injected: 1', 'x-fine': 'yes' };
    await call(json('{}'), { headers });
    expect(seen[0]?.headers).toMatchObject({ host: new URL(origin).host, 'idempotency-key': 'call_1', 'x-attempt': '2', 'x-fine': 'yes' });
    expect(seen[0]?.headers).not.toHaveProperty('x-injected');
  });
});

describe('the model is told', () => {
  test('the start of a reply of 2 MB, and how long it was', async () => {
    const { isError, content } = await call(json(JSON.stringify({ rows: 'x'.repeat(2_000_000) })));
    expect(isError).toBe(false);
    expect(content).toMatch(/^\{"rows":"x+…\[truncated: \d+ of 2000011 bytes\]$/);
    expect(Buffer.byteLength(JSON.stringify(content))).toBeLessThanOrEqual(256 * 1024);
  });

  test('the start of a reply that does not end', async () => {
    const endless: Answer = (_req, res) => {
      const more = () => {
        while (res.write(Buffer.alloc(65_536, 'y')));
        res.once('drain', more);
      };
      more();
    };
    expect((await call(endless)).content).toMatch(/^y+…\[truncated: \d+ of more than 4194304 bytes\]$/);
  });

  test('text without NUL and lone surrogates', async () => {
    expect((await call(json('{"t":"a\\u0000\\udc00"}'))).content).toEqual({ t: 'a\ufffd' });
  });

  test('text that is not JSON, and an empty reply', async () => {
    expect(await call((_req, res) => void res.end('<p>hi</p>'))).toEqual({ isError: false, content: '<p>hi</p>' });
    expect(await call((_req, res) => void res.writeHead(204).end())).toEqual({ isError: false, content: '' });
  });

  test('that the tool failed, and what it said', async () => {
    expect(await call(json('{"detail":"boom"}', 500))).toMatchObject({ isError: true, errorCode: 'http_status', content: { status: 500, body: { detail: 'boom' } } });
    expect(await call(json('{"error":"no such city"}'))).toEqual({ isError: true, errorCode: 'tool_error', content: { error: 'no such city' } });
  });

  test.each<[string, Answer]>([
    ['timeout', () => {}],
    ['timeout', (_req, res) => void res.write('{"partial":')],
    ['connection_reset', (req) => void req.socket.resetAndDestroy()],
    ['address_blocked', (_req, res) => void res.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end()],
    ['too_many_redirects', (_req, res) => void res.writeHead(307, { location: '/again' }).end()],
  ])('%s when there is no reply', async (code, respond) => {
    const result = await call(respond, { timeoutMs: 300 });
    expect(result).toMatchObject({ isError: true, errorCode: code, content: { error: code } });
  });

  test.each([
    ['address_blocked', 'http://10.0.0.1/x'],
    ['address_blocked', 'http://2130706434/'],
    ['invalid_url', 'ftp://tools.example/'],
    ['invalid_url', 'not a url'],
  ])('%s for %s, without a request', async (code, url) => {
    for (const method of ['GET', 'POST'] as const) expect(await call(json('{}'), { url, method })).toMatchObject({ isError: true, errorCode: code });
    expect(seen).toEqual([]);
  });
});

test('hidden defaults follow no redirect to another origin, and the model is told where it led', async () => {
  const other: string[] = [];
  const elsewhere = createServer((req, res) => void (other.push(req.url ?? ''), res.end('{}')));
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  const moved = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  try {
    const result = await call((_req, res) => void res.writeHead(308, { location: `${moved}/weather` }).end());
    expect(result).toMatchObject({ isError: true, errorCode: 'redirect_refused', content: { error: 'redirect_refused', message: expect.stringContaining(moved) } });
    expect(seen.length).toBe(1);
    expect(other).toEqual([]);
  } finally {
    await new Promise((resolve) => void elsewhere.close(resolve).closeAllConnections());
  }
});

test('a call that is given up ends its request and has no result', async () => {
  const controller = new AbortController();
  const closed = Promise.withResolvers<void>();
  const pending = call(
    (_req, res) => {
      res.on('close', closed.resolve);
      controller.abort();
    },
    {},
    { signal: controller.signal },
  );
  await expect(pending).rejects.toMatchObject({ name: 'EgressError', code: 'aborted' });
  await closed.promise;
});

test('an organisation reaches its own allowed addresses and no other does', async () => {
  await egress.close();
  egress = createEgress({ allow: [] });
  expect(await call(json('1'))).toMatchObject({ errorCode: 'address_blocked' });
  expect(await call(json('1'), {}, { allow: ['127.0.0.1/32'] })).toEqual({ isError: false, content: 1 });
  expect(await call(json('1'))).toMatchObject({ errorCode: 'address_blocked' });
});
