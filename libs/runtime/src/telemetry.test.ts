import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { contextOf, isSampled, newTraceparent, startSpan, startTracing, withSpan } from './telemetry.ts';
import { traceIdOf, traceparentFrom } from './traceparent.ts';

type Span = { traceId: string; spanId: string; parentSpanId?: string; name: string; kind: number; links: { traceId: string; spanId: string }[]; status: { code?: number; message?: string }; attributes: { key: string; value: unknown }[] };
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
  const span = startSpan('work', { parent, kind: 'client', attributes: {}, key: 'work 1' });
  span.set({ a: 1 });
  span.end();
  expect([span.traceparent, contextOf(parent, 'work 1'), isSampled(parent)]).toEqual([parent, parent, false]);
  expect(startSpan('work', { parent: undefined, kind: 'client', attributes: {} }).traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test('exports spans below their parents over OTLP/HTTP, failed ones with their code and no text', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  process.env['OTEL_RESOURCE_ATTRIBUTES'] = 'deployment.environment.name=test';
  const stop = await startTracing('engine', { sampler: 'parentbased_always_off', ratio: 1 }, { flushMsMax: 60_000 });
  const options = { parent, kind: 'client', attributes: { 'nightshift.run_id': 'run_1' }, key: 'turn 1' } as const;
  const inner = await withSpan('turn', options, (traceparent) => Promise.resolve(traceparent));
  expect([inner, isSampled(inner)]).toEqual([contextOf(parent, 'turn 1'), true]);
  const refused = Object.assign(new Error('key sk-123 is wrong'), { code: 'upstream_auth' });
  await expect(withSpan('call', { parent: inner, kind: 'client', attributes: {}, links: [parent, undefined] }, () => Promise.reject(refused))).rejects.toThrow('sk-123');
  // A trace that begins here is not sampled, and says so to whoever it is handed to.
  const own = startSpan('own', { parent: undefined, kind: 'server', attributes: {} });
  own.end();
  expect([own.traceparent.slice(-2), newTraceparent().slice(-2)]).toEqual(['00', '00']);
  const failing = startSpan('failing', { parent: undefined, kind: 'server', attributes: {} });
  failing.end('internal_error');
  expect(isSampled(failing.traceparent)).toBe(true);
  await stop();
  const { resourceSpans } = received.find(({ path }) => path === '/v1/traces')!.body;
  const { attributes } = resourceSpans[0]!.resource;
  expect(attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'engine' } });
  expect(attributes).toContainEqual({ key: 'deployment.environment.name', value: { stringValue: 'test' } });
  const spans = resourceSpans[0]!.scopeSpans[0]!.spans;
  expect(spans.map(({ name }) => name)).toEqual(['turn', 'call', 'failing']);
  const [turn, call] = spans;
  expect(turn).toMatchObject({ kind: CLIENT, traceId: traceIdOf(parent), parentSpanId: 'b7ad6b7169203331' });
  expect(turn!.attributes).toContainEqual({ key: 'nightshift.run_id', value: { stringValue: 'run_1' } });
  expect(inner).toBe(`00-${turn!.traceId}-${turn!.spanId}-01`);
  expect(call).toMatchObject({ traceId: traceIdOf(parent), parentSpanId: turn!.spanId, status: { code: ERROR }, links: [{ traceId: traceIdOf(parent), spanId: 'b7ad6b7169203331' }] });
  expect(call!.attributes).toContainEqual({ key: 'error.type', value: { stringValue: 'upstream_auth' } });
  expect(JSON.stringify(received)).not.toContain('sk-123');
});
