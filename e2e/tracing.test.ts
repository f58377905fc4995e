import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CollectedSpan, type FakeCollector, startFakeCollector } from '@nightshift/testing';
import { randomBytes, randomUUID } from 'node:crypto';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

/** Spans whose parent is not there. */
function rootsOf(spans: readonly CollectedSpan[]): CollectedSpan[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans.filter(({ parentSpanId }) => !ids.has(parentSpanId));
}

describe.each(shapes)('the trace of a run in %s', (shape) => {
  const on = stage(shape);
  let collector: FakeCollector;

  beforeAll(async () => {
    collector = await startFakeCollector({ port: on.product.tracePort });
  });
  afterAll(() => collector.close());

  /** The spans of a trace, once there are those that `isWhole` wants, and one tree of them: processes export each for itself. */
  async function traceOf(traceId: string, isWhole: (spans: readonly CollectedSpan[]) => boolean): Promise<CollectedSpan[]> {
    const now = () => collector.spans(traceId);
    const what = () => `the rest of ${now().map(({ name }) => name).join(', ')}; without parents: ${rootsOf(now()).map(({ name }) => name).join(', ')}`;
    await until(() => isWhole(now()) && rootsOf(now()).length === 1, { timeoutMs: 45_000, what });
    return now();
  }

  test('is one tree from the request to the last attempt of its webhook, linked across retries, and holds nothing secret', async () => {
    const secret = (name: string) => `canary-${name}-${randomUUID()}`;
    const canaries = { header: secret('header'), fallback: secret('default'), path: secret('path'), city: secret('instructions'), webhook: secret('webhook'), said: secret('answer') };
    const [traceId, callerSpan] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    const hook = `${on.endpoint.url}/hook/${canaries.path}`;
    expect((await on.api.call('POST', '/v1/webhooks/subscriptions', { body: { callbackUrl: `${hook}/subscribed`, eventTypes: ['job.succeeded'], secret: canaries.webhook } })).status).toBe(201);
    const tools = [functionTool('text', `${on.endpoint.url}/tool/text/${canaries.path}`, { headers: { 'x-secret': canaries.header }, defaults: { password: canaries.fallback } })];
    const script = { tools: 1, fail: '503x1', say: canaries.city, answer: canaries.said };
    const posted = await on.api.post(request(script, { input: { tools }, output: { callbackUrl: `${hook}?fail=1&status=503` } }), { traceparent: `00-${traceId}-${callerSpan}-01` });
    expect(posted.status).toBe(202);
    const { runId } = posted.body;
    expect((await on.settled(runId)).status).toBe('succeeded');

    const named = (spans: readonly CollectedSpan[], name: string | RegExp) => spans.filter((span) => (typeof name === 'string' ? span.name === name : name.test(span.name)));
    const spans = await traceOf(traceId, (found) => named(found, 'webhook attempt').length === 3 && named(found, 'process run.finished').length >= 2 && named(found, 'process usage.recorded').length >= 2 && ['send run.finished', 'invoke_agent tim-gpt'].every((name) => named(found, name).length > 0));
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const parentOf = ({ parentSpanId }: CollectedSpan) => byId.get(parentSpanId);

    // One tree: every parent is there, but for the caller's own span, which is that of the request alone.
    expect(byId.size).toBe(spans.length);
    expect(rootsOf(spans)).toMatchObject([{ name: 'POST /v1/runs', parentSpanId: callerSpan }]);

    // What causes what, and of which kind it is.
    const line = (span: CollectedSpan): string => `${parentOf(span)?.name ?? 'caller'} > ${span.kind} ${span.name}`;
    const lines = new Set(spans.map(line));
    for (const expected of [
      'caller > server POST /v1/runs',
      'POST /v1/runs > client POST',
      'POST /v1/runs > producer send run.commanded',
      'send run.commanded > consumer process run.commanded',
      'process run.commanded > internal turn',
      'turn > client chat fake-model',
      'turn > producer send tool.commanded',
      'send tool.commanded > consumer process tool.commanded',
      'process tool.commanded > client execute_tool text',
      'execute_tool text > producer send tool.completed',
      'send tool.completed > consumer process tool.completed',
      'turn > producer send run.progressed',
      'send run.progressed > consumer process run.progressed',
      'POST /v1/runs > internal invoke_agent tim-gpt',
      'POST /v1/runs > producer send run.finished',
      'send run.finished > consumer process run.finished',
      'process run.finished > client webhook attempt',
      'turn > producer send usage.recorded',
      'send usage.recorded > consumer process usage.recorded',
    ]) expect(lines).toContain(expected);

    // The conventions for generative AI.
    const answered = named(spans, 'chat fake-model').filter(({ isError }) => !isError);
    expect(answered.at(-1)?.attributes).toMatchObject({ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'fake-model', 'gen_ai.response.model': expect.any(String), 'gen_ai.response.finish_reasons': ['stop'], 'gen_ai.usage.input_tokens': expect.any(Number), 'gen_ai.usage.output_tokens': 20, 'server.address': '127.0.0.1' });
    expect(named(spans, 'execute_tool text')[0]?.attributes).toMatchObject({ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'text', 'gen_ai.tool.type': 'function', 'gen_ai.tool.call.id': expect.stringMatching(/^call_/) });
    expect(named(spans, /^invoke_agent/)[0]?.attributes).toMatchObject({ 'gen_ai.agent.name': 'tim-gpt', 'nightshift.run_id': runId, 'nightshift.status': 'succeeded' });

    // Retries are linked to what they repeat, and a turn to the calls that it goes on from.
    const linked = (span: CollectedSpan | undefined) => span?.links.filter((link) => link.traceId === traceId).map(({ spanId }) => byId.get(spanId));
    const turns = named(spans, 'turn');
    expect(turns.map(({ attributes, isError }) => [attributes['nightshift.step'], isError])).toEqual([[0, true], [0, false], [1, false]]);
    expect(linked(turns[1])).toEqual([turns[0]]);
    expect(linked(turns[2])?.map((span) => span?.name)).toEqual(['process tool.completed']);
    const attempts = named(spans, 'webhook attempt').filter(({ attributes }) => attributes['nightshift.delivery_id'] === named(spans, 'webhook attempt').find(({ isError }) => isError)?.attributes['nightshift.delivery_id']);
    expect(attempts.map(({ isError, attributes }) => [isError, attributes['http.response.status_code'], attributes['nightshift.attempt']])).toEqual([[true, 503, 1], [false, 200, 2]]);
    expect(linked(attempts[1])).toEqual([attempts[0]]);

    // Whoever is called is told where it belongs.
    const told = on.endpoint.requests({ prefix: '/' }).filter(({ headers }) => headers['traceparent']?.includes(traceId));
    expect(told.map(({ headers }) => byId.get(headers['traceparent']!.split('-')[2]!)?.name).sort()).toEqual(['execute_tool text', 'webhook attempt', 'webhook attempt', 'webhook attempt']);

    const secrets = { ...canaries, apiKey: on.api.key, adminToken: on.product.adminToken, upstream: 'upstream-key' };
    const sent = collector.bodies().join('\n');
    expect(sent).toContain(runId);
    expect(Object.entries(secrets).filter(([, value]) => sent.includes(value))).toEqual([]);
  });

  test('is exported, whole, if the run fails, although nobody asked for it; that of one that succeeds is not', async () => {
    const fine = await on.completed();
    const failed = await on.completed({ fail: '400x9' });
    expect([fine.status, failed.status]).toEqual(['succeeded', 'failed']);
    const spans = await traceOf(String(failed.traceId), (found) => ['POST /v1/runs', 'turn', 'chat fake-model', 'invoke_agent tim-gpt', 'process run.progressed'].every((name) => found.some((span) => span.name === name)));
    expect(rootsOf(spans)).toMatchObject([{ name: 'POST /v1/runs', parentSpanId: '' }]);
    expect(collector.spans(String(fine.traceId))).toEqual([]);
  });
});
