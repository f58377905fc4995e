import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startSpan, startTracing, traceIdOf, traceparentFrom, withSpan } from './telemetry.ts';

type Span = { traceId: string; spanId: string; parentSpanId?: string; name: string; kind: number; status: { code?: number; message?: string }; attributes: { key: string; value: unknown }[] };
type Export = { resourceSpans: { resource: { attributes: { key: string; value: { stringValue: string } }[] }; scopeSpans: { spans: Span[] }[] }[] };

const CLIENT = 3;
const ERROR = 2;
const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const received: { path: string | undefined; body: Export }[] = [];
const collector = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    received.push({ path: request.url, body: JSON.parse(Buffer.concat(chunks).toString()) as Export });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});

beforeAll(() => new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => collector.close(resolve)));

test('takes a valid trace context over, and makes a new sampled one for anything else', () => {
  expect(traceparentFrom(parent)).toBe(parent);
  for (const header of [undefined, '', 'nonsense', `${parent}x`, parent.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32))]) {
    expect(traceparentFrom(header)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(traceparentFrom(header)).not.toContain('0af7651916cd43dd8448eb211c80319c');
  }
});

test('hands the parent on as it is while nothing exports', () => {
  expect(startSpan('work', { parent, kind: 'client', attributes: {} }).traceparent).toBe(parent);
});

test('exports spans below their parents over OTLP/HTTP, failed ones as failed', async () => {
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = endpoint;
  const stop = await startTracing('engine', endpoint);
  const inner = await withSpan('turn', { parent, kind: 'client', attributes: { 'nightshift.run_id': 'run_1' } }, (traceparent) => Promise.resolve(traceparent));
  await expect(withSpan('call', { parent: inner, kind: 'client', attributes: {} }, () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  await stop();
  const { resourceSpans } = received.find(({ path }) => path === '/v1/traces')!.body;
  expect(resourceSpans[0]!.resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'engine' } });
  const [turn, call] = resourceSpans[0]!.scopeSpans[0]!.spans;
  expect(turn).toMatchObject({ name: 'turn', kind: CLIENT, traceId: traceIdOf(parent), parentSpanId: 'b7ad6b7169203331' });
  expect(turn!.attributes).toContainEqual({ key: 'nightshift.run_id', value: { stringValue: 'run_1' } });
  expect(inner).toBe(`00-${turn!.traceId}-${turn!.spanId}-01`);
  expect(call).toMatchObject({ name: 'call', traceId: traceIdOf(parent), parentSpanId: turn!.spanId, status: { code: ERROR, message: 'refused' } });
});
