import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createEgress, type Egress, EgressError } from '@nightshift/http';
import { type Attempt, postDelivery } from '../src/endpoint.client.ts';

type Answer = (req: IncomingMessage, res: ServerResponse) => void;

const server = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body: Buffer.concat(chunks) });
    answer(req, res);
  });
});
let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }[];
let answer: Answer;
let egress: Egress;
let origin: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  seen = [];
  egress = createEgress({ allow: ['127.0.0.0/8'], lookup: () => Promise.reject(new Error('NXDOMAIN')) });
});
afterEach(() => egress.close());
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

// Not in the form a JSON library writes, so that a body that was parsed and written again would differ.
const body = Buffer.from('{ "jobId":"run_1",  "é": 1.0 }');

function post(respond: Answer, more: Partial<Attempt> = {}) {
  answer = respond;
  return postDelivery(egress, { url: `${origin}/hook?t=1`, body, deliveryId: 'whd_1', event: 'job.succeeded', secrets: { secret: null, previousSecret: null }, headers: {}, timeoutMs: 5000, ...more });
}

const status =
  (code: number, headers: Record<string, string> = {}, text = ''): Answer =>
  (_req, res) =>
    void res.writeHead(code, headers).end(text);

describe('an attempt', () => {
  test('posts the stored bytes with the headers of a delivery', async () => {
    const before = Math.floor(Date.now() / 1000);
    await post(status(200), { traceparent: '00-11111111111111111111111111111111-2222222222222222-01' });
    expect(seen[0]?.body.equals(body)).toBe(true);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/hook?t=1',
      headers: {
        'content-type': 'application/json',
        'content-length': String(body.length),
        'user-agent': 'Nightshift-Webhooks/1',
        'x-webhook-delivery-id': 'whd_1',
        'x-webhook-event': 'job.succeeded',
        'webhook-id': 'whd_1',
        traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
      },
    });
    const sentAt = Number(seen[0]?.headers['x-webhook-timestamp']);
    expect(seen[0]?.headers['webhook-timestamp']).toBe(String(sentAt));
    for (const name of ['x-webhook-signature', 'webhook-signature']) expect(seen[0]?.headers).not.toHaveProperty(name);
    expect(sentAt).toBeGreaterThanOrEqual(before);
    expect(sentAt).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
  });

  test('carries the headers of its subscription, which override none of ours and are kept without their values', async () => {
    const { requestHeaders } = await post(status(200), { headers: { authorization: 'Bearer their-own', 'x-webhook-event': 'forged' }, secrets: { secret: 'a secret', previousSecret: null } });
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer their-own', 'x-webhook-event': 'job.succeeded', 'x-webhook-signature': expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(requestHeaders).toMatchObject({ authorization: '[hidden]', 'x-webhook-event': 'job.succeeded', 'x-webhook-delivery-id': 'whd_1' });
  });

  test.each([200, 201, 202, 204, 299])('with status %i has delivered', async (code) => {
    expect(await post(status(code, { 'x-a': 'b', 'retry-after': '5' }))).toMatchObject({
      status: code,
      errorCode: null,
      errorMessage: null,
      retryAfterMs: null,
      responseHeaders: { 'x-a': 'b' },
    });
  });

  test.each([400, 404, 410, 429, 500, 503])('with status %i has failed and keeps what the endpoint said', async (code) => {
    expect(await post(status(code, {}, 'because'))).toMatchObject({ status: code, errorCode: 'http_status', responseBody: 'because', errorMessage: expect.stringContaining(String(code)) });
  });

  test.each([301, 302, 303, 307, 308])('with status %i has failed, and the redirect is not followed', async (code) => {
    expect(await post(status(code, { location: '/elsewhere' }))).toMatchObject({ status: code, errorCode: 'redirect', responseHeaders: { location: '/elsewhere' } });
    expect(seen.map(({ url }) => url)).toEqual(['/hook?t=1']);
  });

  test.each<[string, Answer, Partial<Attempt>]>([
    ['timeout', () => {}, { timeoutMs: 200 }],
    ['connection_reset', (req) => void req.socket.resetAndDestroy(), {}],
    ['connection_refused', status(200), { url: 'http://127.0.0.1:1/' }],
    ['dns_error', status(200), { url: 'http://absent.example/' }],
    ['address_blocked', status(200), { url: 'http://10.0.0.1/' }],
    ['address_blocked', status(200), { url: 'http://[::1]/' }],
  ])('without an answer says %s', async (code, respond, more) => {
    expect(await post(respond, more)).toMatchObject({ status: null, errorCode: code, errorMessage: expect.any(String), responseHeaders: {}, responseBody: '', retryAfterMs: null });
  });

  test('over TLS to what speaks none says tls_error', async () => {
    expect(await post(status(200), { url: origin.replace('http:', 'https:') })).toMatchObject({ status: null, errorCode: 'tls_error' });
  });

  test('takes as long as it takes', async () => {
    const { durationMs } = await post(() => {}, { timeoutMs: 150 });
    expect(durationMs).toBeGreaterThanOrEqual(140);
    expect(durationMs).toBeLessThan(2000);
  });

  test('that is given up is no outcome', async () => {
    const controller = new AbortController();
    const pending = post(() => controller.abort(), { signal: controller.signal });
    await expect(pending).rejects.toMatchObject({ code: 'aborted' });
    await expect(pending).rejects.toBeInstanceOf(EgressError);
  });
});

describe('what the endpoint said', () => {
  test('is kept to 4 KB of whole, storable characters', async () => {
    const { responseBody } = await post(status(500, {}, `\0${'€'.repeat(2000)}`));
    expect(responseBody).toBe('€'.repeat(1365));
    expect((await post(status(200, {}, 'x'.repeat(100_000)))).responseBody).toBe('x'.repeat(4096));
  });

  test('does not cost the connection while it is short', async () => {
    const ports = new Set<number | undefined>();
    const once: Answer = (req, res) => {
      ports.add(req.socket.remotePort);
      res.end('y'.repeat(20_000));
    };
    for (let i = 0; i < 10; i += 1) await post(once);
    expect(ports.size).toBeLessThanOrEqual(2);
  });

  test.each([
    ['120', 120_000],
    ['0', 0],
    ['9999999999', 86_400_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400_000],
    ['soon', null],
  ])('about trying again, Retry-After: %s, is honoured up to a day', async (value, retryAfterMs) => {
    const outcome = await post(status(503, { 'retry-after': value }));
    expect(outcome.retryAfterMs).toBe(retryAfterMs);
  });
});
