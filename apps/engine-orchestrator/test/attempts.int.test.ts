import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Engine } from '@nightshift/contracts';
import { startTracing, traceIdOf, withSpan } from '@nightshift/runtime';
import { type FakeModel, startFakeModel } from '@nightshift/testing';
import { upstreamOf } from '../src/catalogue.ts';
import type { ModelRequest } from '../src/model.ts';
import { Upstreams } from '../src/upstreams.client.ts';

type Span = { traceId: string; spanId: string; parentSpanId?: string; name: string; kind: number; status: { code?: number; message?: string }; attributes: { key: string; value: { stringValue?: string; intValue?: number } }[] };

const CLIENT = 3;
const ERROR = 2;
const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const request: ModelRequest = { model: 'm', messages: [{ role: 'user', content: '[[run:x answer:"from the second"]]' }], tools: [] };
const engine: Engine = { id: 'tim', aliases: [], upstreams: [{ name: 'first', model: 'a' }, { name: 'second', model: 'b' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 10_000 } };
const spans: Span[] = [];
const collector = createServer((req, res) => {
  void req.toArray().then((chunks) => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
    spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});
let fakes: FakeModel[];

beforeAll(async () => {
  fakes = await Promise.all([startFakeModel(), startFakeModel()]);
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await Promise.all(fakes.map((fake) => fake.close()));
  await new Promise((resolve) => collector.close(resolve));
});

test('the trace of a turn has a span for each attempt, below the turn, with its upstream and what became of it', async () => {
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = endpoint;
  const stop = await startTracing('engine', endpoint);
  const [first, second] = fakes as [FakeModel, FakeModel];
  first.fail({ kind: 'status', status: 503, retryAfter: '9' });
  const upstreams = new Upstreams({ engines: [engine], offline: false, upstreams: { first: upstreamOf({ kind: 'openai', baseUrl: first.baseUrl }, 'key', 'KEY'), second: upstreamOf({ kind: 'openai', baseUrl: second.baseUrl }, 'key', 'KEY') } });
  const ask = (traceparent: string) => upstreams.complete(engine, { place: undefined, tokens: 10, signal: new AbortController().signal, traceparent }, ({ model }) => ({ ...request, model }));
  await withSpan('model turn', { parent, kind: 'internal', attributes: {} }, ask);
  await upstreams.close();
  await stop();

  const turn = spans.find(({ name }) => name === 'model turn')!;
  const attempts = spans.filter(({ name }) => name === 'model attempt');
  expect(attempts.map(({ traceId, parentSpanId, kind }) => [traceId, parentSpanId, kind])).toEqual(Array(2).fill([traceIdOf(parent), turn.spanId, CLIENT]));
  const facts = attempts.map(({ attributes }) => Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue])));
  expect(facts).toEqual([
    { 'nightshift.upstream': 'first', 'nightshift.attempt': 1, 'gen_ai.request.model': 'a', 'error.type': 'upstream_unavailable', 'http.response.status_code': 503 },
    { 'nightshift.upstream': 'second', 'nightshift.attempt': 2, 'gen_ai.request.model': 'b', 'gen_ai.response.model': 'fake', 'gen_ai.usage.input_tokens': expect.any(Number), 'gen_ai.usage.output_tokens': 20 },
  ]);
  expect(attempts[0]!.status).toEqual({ code: ERROR, message: expect.stringContaining('503') });
  // Each upstream is sent the context of its own attempt.
  const sent = [first, second].map((fake) => String(fake.recent()[0]!.headers['traceparent']).split('-')[2]);
  expect(sent).toEqual(attempts.map(({ spanId }) => spanId));
});
