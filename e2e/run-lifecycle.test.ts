import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const number = expect.any(Number);

describe.each(shapes)('a run in %s', (shape) => {
  const on = stage(shape);

  test('is accepted at once, works, and ends with answer, reasoning and usage', async () => {
    const runId = await on.start({ answer: 'It rains in Oslo.' });
    const run = await on.settled(runId);
    expect(run).toMatchObject({
      runId, status: 'succeeded', engine: 'tim-gpt', createdAt: timestamp, updatedAt: timestamp,
      result: { answer: 'It rains in Oslo.', reasoning: expect.any(Array) },
      usage: { inputTokens: number, outputTokens: number, durationMs: number, toolCalls: {} },
    });
    expect(run.usage?.inputTokens).toBeGreaterThan(0);
    expect(run.usage?.outputTokens).toBeGreaterThan(0);
  });

  test('shows neither nulls nor a result before its end', async () => {
    const runId = await on.start({ hang: 9 });
    await until(async () => (await on.api.get(runId)).body.status === 'running', { timeoutMs: 30_000, what: () => 'the run to be running' });
    const reply = await on.api.get(runId);
    expect(reply.text).not.toContain('null');
    expect(Object.keys(reply.body)).not.toEqual(expect.arrayContaining(['result']));
    expect(Object.keys(reply.body)).not.toEqual(expect.arrayContaining(['error']));
    await on.api.cancel(runId);
  });

  test('calls tools in parallel, with hidden defaults that win, and tells the model what they said', async () => {
    const run = randomUUID();
    const hidden = { headers: { 'x-tool-key': 'tool-secret' }, defaults: { unit: 'default-secret', city: 'Bergen' } };
    const weather = functionTool('weather', `${on.endpoint.url}/tool/weather/${run}`, hidden);
    const { type, ...tide } = functionTool('tide', `${on.endpoint.url}/tool/tide/${run}`, { method: 'GET' });
    const ended = await on.completed({ run, tools: 1, parallel: 2, answer: 'Grey and low.' }, { input: { tools: [weather, { type, function: tide }] } });

    const [posted] = on.endpoint.requests({ prefix: `/tool/weather/${run}` });
    expect(posted).toMatchObject({ method: 'POST', idempotencyKey: expect.stringMatching(/^call_/), headers: { 'x-tool-key': 'tool-secret', 'x-attempt': '1' } });
    expect(JSON.parse(posted?.body ?? '')).toEqual({ city: 'Bergen', unit: 'default-secret' });
    const [got] = on.endpoint.requests({ prefix: `/tool/tide/${run}` });
    expect(got).toMatchObject({ method: 'GET', query: { city: 'text 1' }, body: '' });

    const [first, second] = on.asked(run);
    expect(first?.tools?.find((tool) => tool.function.name === 'weather')?.function.parameters).toMatchObject({ properties: {} });
    expect(JSON.stringify([first, second])).not.toMatch(/tool-secret|x-tool-key/);
    expect(JSON.stringify(first)).not.toContain('default-secret');
    const told = JSON.stringify(second?.messages?.filter((message) => message.role === 'tool'));
    expect(told).toContain('text 1');

    expect(ended).toMatchObject({ status: 'succeeded', result: { answer: 'Grey and low.' }, usage: { toolCalls: { weather: 1, tide: 1 } } });
    expect(JSON.stringify(ended.result?.reasoning)).toMatch(/"tool_name":"weather".*"tool_name":"tide"/);
  });

  test('tells its callback URL how it ended, with all that is known of it', async () => {
    const runId = await on.start({ answer: 'It rains.' }, { output: { callbackUrl: `${on.endpoint.url}/hook` }, input: { metadata: { ticket: 7 } } });
    const run = await on.settled(runId);
    const arrival = await on.arrival('/hook', runId);
    expect(arrival.headers).toMatchObject({
      'content-type': expect.stringContaining('application/json'), 'x-webhook-event': 'job.succeeded',
      'x-webhook-delivery-id': expect.stringMatching(/^whd_/), 'x-webhook-timestamp': expect.stringMatching(/^\d{10}$/),
    });
    expect(arrival.headers).not.toHaveProperty('x-webhook-signature');
    const usage = { inputTokens: run.usage?.inputTokens, outputTokens: run.usage?.outputTokens };
    const body = JSON.parse(arrival.body) as { result: { choices: { message: { content: string } }[]; fullResponse: string } };
    expect(body).toEqual({
      jobId: runId, runId, orgId: on.orgId, status: 'succeeded', model: 'tim-gpt', engine: 'tim-gpt',
      result: {
        choices: [expect.objectContaining({ message: { role: 'assistant', content: expect.any(String) } })],
        usage: { prompt_tokens: usage.inputTokens, completion_tokens: usage.outputTokens },
        fullResponse: expect.any(String), answer: 'It rains.', reasoning: run.result?.reasoning,
      },
      error: null, tokens: { ...usage, costCents: number }, usage: expect.objectContaining(usage),
      createdAt: timestamp, startedAt: timestamp, completedAt: timestamp, metadata: { ticket: 7 },
    });
    for (const text of [body.result.fullResponse, body.result.choices[0]?.message.content ?? '']) {
      expect(JSON.parse(text)).toEqual({ reasoning: run.result?.reasoning, answer: 'It rains.' });
    }
  });

  test('is canceled while it works: the model request ends, a repeated cancel changes nothing', async () => {
    const run = randomUUID();
    const runId = await on.start({ run, hang: 9 }, { output: { callbackUrl: `${on.endpoint.url}/hook` } });
    await until(() => on.model.run(run)?.requests === 1, { timeoutMs: 30_000, what: () => 'the model to be asked' });
    const canceled = await on.api.cancel(runId);
    expect([canceled.status, canceled.body]).toEqual([200, expect.objectContaining({ runId, status: 'canceled' })]);
    await until(() => on.model.run(run)?.aborted === 1, { timeoutMs: 30_000, what: () => 'the model request to be aborted' });
    const arrival = await on.arrival('/hook', runId);
    expect(JSON.parse(arrival.body)).toMatchObject({ runId, status: 'canceled', result: null });
    const again = await on.api.cancel(runId);
    expect([again.status, again.body.status]).toEqual([200, 'canceled']);
  });

  test('is canceled before it works', async () => {
    const runId = await on.start({ hang: 9 });
    const canceled = await on.api.cancel(runId);
    expect([canceled.status, canceled.body.status]).toEqual([200, 'canceled']);
    expect((await on.settled(runId)).status).toBe('canceled');
  });

  test('stays as it ended when it is canceled too late', async () => {
    const run = await on.completed();
    const late = await on.api.cancel(run.runId);
    expect([late.status, late.body]).toEqual([200, run]);
  });

  test('is timed out at its deadline', async () => {
    const run = await on.completed({ hang: 9 }, { options: { timeout: 1 }, output: { callbackUrl: `${on.endpoint.url}/hook` } });
    expect(run).toMatchObject({ status: 'timed_out', error: { code: 'timeout', message: expect.any(String) } });
    const arrival = await on.arrival('/hook', run.runId);
    expect(arrival.headers['x-webhook-event']).toBe('job.failed');
    expect(JSON.parse(arrival.body)).toMatchObject({ status: 'timed_out', result: null, error: { code: 'timeout' } });
  });

  test('is started once by a repeated request with the same idempotency key and body', async () => {
    const [key, name] = [randomUUID(), randomUUID()];
    const body = request({ run: name });
    const replies = await Promise.all(Array.from({ length: 5 }, () => on.api.post(body, { 'idempotency-key': key })));
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    expect(replies.filter((reply) => reply.headers.get('idempotency-replayed') === 'true')).toHaveLength(4);
    const run = await on.settled(replies[0]?.body.runId ?? '');
    const late = await on.api.post(body, { 'idempotency-key': key });
    expect([late.status, late.body]).toEqual([202, { runId: run.runId, status: 'queued' }]);
    expect(on.model.run(name)?.requests).toBe(1);
  });

  test('is refused when its idempotency key was used with another body, and another organisation’s keys are its own', async () => {
    const key = randomUUID();
    const first = await on.api.post(request(), { 'idempotency-key': key });
    const conflict = await on.api.post(request(), { 'idempotency-key': key });
    expect([conflict.status, conflict.body.error.code, conflict.headers.get('x-should-retry')]).toEqual([409, 'conflict', 'false']);
    const neighbour = await on.newTenant();
    const other = await neighbour.post(request(), { 'idempotency-key': key });
    expect(other.status).toBe(202);
    expect(other.body.runId).not.toBe(first.body.runId);
  });

  test('is listed newest first, on pages that neither repeat nor miss one while new ones come in', async () => {
    const api = await on.newTenant();
    const post = async () => (await api.post(request())).body.runId;
    const before: string[] = [];
    for (let count = 0; count < 7; count += 1) before.push(await post());
    const listed: string[] = [];
    let query = '?limit=2';
    for (;;) {
      const { status, body } = await api.list(query);
      expect(status).toBe(200);
      for (const run of body.runs) expect(run).toEqual({ runId: run.runId, status: expect.any(String), engine: 'tim-gpt', createdAt: timestamp, updatedAt: timestamp });
      listed.push(...body.runs.map((run) => run.runId));
      if (body.nextCursor === null) break;
      query = `?limit=2&cursor=${encodeURIComponent(body.nextCursor)}`;
      await post();
    }
    expect(listed).toEqual(before.toReversed());
  });
});
