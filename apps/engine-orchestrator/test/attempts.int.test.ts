import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Engine } from '@nightshift/contracts';
import { startTracing, traceIdOf, withSpan } from '@nightshift/runtime';
import { type FakeCollector, type FakeModel, startFakeCollector, startFakeModel } from '@nightshift/testing';
import { upstreamOf } from '../src/catalogue.ts';
import type { ModelRequest } from '../src/model.ts';
import { Upstreams } from '../src/upstreams.client.ts';

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const request: ModelRequest = { model: 'm', messages: [{ role: 'user', content: '[[run:x answer:"from the second"]]' }], tools: [] };
const engine: Engine = { id: 'tim', aliases: [], upstreams: [{ name: 'first', model: 'a' }, { name: 'second', model: 'b' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 10_000 } };
let fakes: FakeModel[];
let collector: FakeCollector;

beforeAll(async () => {
  fakes = await Promise.all([startFakeModel(), startFakeModel()]);
  collector = await startFakeCollector();
});
afterAll(async () => {
  await Promise.all(fakes.map((fake) => fake.close()));
  await collector.close();
});

test('the trace of a turn has a span for each attempt, below the turn, with its upstream and what became of it', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.endpoint;
  const stop = await startTracing('engine', { sampler: 'always_on', ratio: 1 }, { flushMsMax: 60_000 });
  const [first, second] = fakes as [FakeModel, FakeModel];
  first.fail({ kind: 'status', status: 503, retryAfter: '9' });
  const upstreams = new Upstreams({ engines: [engine], offline: false, upstreams: { first: upstreamOf({ kind: 'openai', baseUrl: first.baseUrl }, 'key', 'KEY'), second: upstreamOf({ kind: 'openai', baseUrl: second.baseUrl }, 'key', 'KEY') } });
  const ask = (traceparent: string) => upstreams.complete(engine, { place: undefined, tokens: 10, signal: new AbortController().signal, traceparent }, ({ model }) => ({ ...request, model }));
  await withSpan('turn', { parent, kind: 'internal', attributes: {} }, ask);
  await upstreams.close();
  await stop();

  const spans = collector.spans(traceIdOf(parent));
  const turn = spans.find(({ name }) => name === 'turn')!;
  const attempts = spans.filter(({ name }) => name.startsWith('chat '));
  expect(attempts.map(({ name, parentSpanId, kind }) => [name, parentSpanId, kind])).toEqual([['chat a', turn.spanId, 'client'], ['chat b', turn.spanId, 'client']]);
  const asked = (fake: FakeModel) => ({ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'server.address': '127.0.0.1', 'server.port': Number(new URL(fake.baseUrl).port) });
  expect(attempts.map(({ attributes }) => attributes)).toEqual([
    { ...asked(first), 'nightshift.upstream': 'first', 'nightshift.attempt': 1, 'gen_ai.request.model': 'a', 'error.type': 'upstream_unavailable', 'http.response.status_code': 503 },
    { ...asked(second), 'nightshift.upstream': 'second', 'nightshift.attempt': 2, 'gen_ai.request.model': 'b', 'gen_ai.response.model': 'fake', 'gen_ai.response.finish_reasons': ['stop'], 'gen_ai.usage.input_tokens': expect.any(Number), 'gen_ai.usage.output_tokens': 20, 'gen_ai.usage.cache_read.input_tokens': expect.any(Number) },
  ]);
  expect(attempts.map(({ isError }) => isError)).toEqual([true, false]);
  // Each upstream is sent the context of its own attempt.
  const sent = [first, second].map((fake) => String(fake.recent()[0]!.headers['traceparent']).split('-')[2]);
  expect(sent).toEqual(attempts.map(({ spanId }) => spanId));
});
