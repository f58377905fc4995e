import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Api, ApiError, Run } from './api.client.ts';
import { shapes } from './product.ts';
import type { Script } from './request.ts';
import { instructionsOf } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Accepted = { requestId: string; request_id: string; jobId: string; status: string; estimatedCompletionTime: string };
type Request = { requestId: string; status: string; result: { choices: { message: { content: string } }[] } | null; error: { code: string } | null };
type RequestPage = { requests: { requestId: string; status: string }[]; nextCursor: string | null };

const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe.each(shapes)('a request in the background in %s', (shape) => {
  const on = stage(shape);

  const body = (script: Script = {}, more: object = {}) => ({ model: 'tim-large', messages: [{ role: 'user', content: instructionsOf(script) }], ...more });
  const submit = (given: object, headers: Record<string, string> = {}, api: Api = on.api) => api.call<Accepted & ApiError>('POST', '/v1/chat/completions/async', { body: given, headers });
  const statusOf = (id: string, api: Api = on.api) => api.call<Request & ApiError>('GET', `/v1/requests/${id}/status`);

  async function completed(id: string): Promise<Request> {
    await until(async () => (await statusOf(id)).body.status === 'completed', { timeoutMs: 60_000, what: () => `request ${id} to be completed` });
    return (await statusOf(id)).body;
  }

  test('is accepted at once with its id and an estimate, and ends as a completion that holds the whole document', async () => {
    const before = Date.now();
    const { status, body: accepted, headers } = await submit(body({ answer: 'It rains.' }));
    const { requestId } = accepted;
    expect([status, accepted]).toEqual([202, { requestId: expect.stringMatching(/^run_[0-9a-f]{32}$/), request_id: requestId, jobId: requestId, status: 'pending', estimatedCompletionTime: timestamp }]);
    expect(Date.parse(accepted.estimatedCompletionTime)).toBeGreaterThan(before);
    expect(headers.get('x-run-id')).toBe(requestId);
    const request = await completed(requestId);
    const run = (await on.api.call<Run & Record<string, unknown>>('GET', `/v1/runs/${requestId}`)).body;
    expect(request).toEqual({
      requestId, jobId: requestId, status: 'completed', model: 'tim-large', engine: 'tim-large', error: null,
      createdAt: run['createdAt'], updatedAt: run['updatedAt'], startedAt: timestamp, completedAt: timestamp,
      result: {
        id: `chatcmpl-${requestId}`, object: 'chat.completion', created: expect.any(Number), model: 'tim-large',
        choices: [{ index: 0, message: { role: 'assistant', content: expect.any(String) }, finish_reason: 'stop' }],
        usage: { prompt_tokens: expect.any(Number), completion_tokens: expect.any(Number), total_tokens: expect.any(Number) },
      },
    });
    expect(JSON.parse(request.result!.choices[0]!.message.content)).toEqual(run.result);
  });

  test('is submitted too by async in the body of an ordinary chat request', async () => {
    const { status, body: accepted } = await on.api.call<Accepted>('POST', '/v1/chat/completions', { body: body({ answer: 'Later.' }, { async: true }) });
    expect([status, accepted.status, accepted.request_id]).toEqual([202, 'pending', accepted.requestId]);
    expect((await completed(accepted.requestId)).result?.choices[0]?.message.content).toContain('"answer":"Later."');
  });

  test('is the same job as the run of that id, on both surfaces', async () => {
    const api = await on.newTenant();
    const asRequest = (await submit(body(), {}, api)).body.requestId;
    const asRun = (await api.post({ engine: 'tim-gpt', input: { instructions: instructionsOf({}) } })).body.runId;
    const page = (query: string) => api.call<RequestPage>('GET', `/v1/requests${query}`);
    const first = (await page('?limit=1')).body;
    const second = (await page(`?limit=1&cursor=${first.nextCursor}`)).body;
    expect([...first.requests, ...second.requests].map(({ requestId }) => requestId)).toEqual([asRun, asRequest]);
    expect(second.nextCursor).toBeNull();
    expect((await api.list()).body.runs.map(({ runId }) => runId)).toEqual([asRun, asRequest]);
    expect((await statusOf(asRun, api)).body).toMatchObject({ requestId: asRun, engine: 'tim-gpt' });
    expect((await page('?limit=0')).status).toBe(400);
    expect((await page('?cursor=nonsense')).status).toBe(400);
  });

  test('is cancelled on either surface', async () => {
    const [one, two] = [(await submit(body({ hang: 9 }))).body.requestId, (await submit(body({ hang: 9 }))).body.requestId];
    const cancelled = await on.api.call<Request>('POST', `/v1/requests/${one}/cancel`);
    expect([cancelled.status, cancelled.body]).toEqual([200, expect.objectContaining({ requestId: one, status: 'cancelled', result: null, error: null })]);
    expect((await on.api.get(one)).body.status).toBe('canceled');
    await on.api.cancel(two);
    expect((await statusOf(two)).body.status).toBe('cancelled');
  });

  test('that fails says why', async () => {
    const { requestId } = (await submit(body({ fail: '400x99' }))).body;
    const { error } = await on.settled(requestId);
    expect((await statusOf(requestId)).body).toMatchObject({ status: 'failed', result: null, error: { code: 'upstream_rejected', message: error?.message } });
  });

  test('tells its callback URL, and is made once under an idempotency key', async () => {
    const path = `/hook/${randomUUID()}`;
    const given = body({ answer: 'Called back.' }, { callbackUrl: `${on.endpoint.url}${path}` });
    const headers = { 'idempotency-key': randomUUID() };
    const [first, again] = [await submit(given, headers), await submit(given, headers)];
    expect([again.status, again.body.requestId, again.headers.get('idempotency-replayed')]).toEqual([202, first.body.requestId, 'true']);
    const conflict = await submit(body(), headers);
    expect([conflict.status, conflict.body.error.code, conflict.headers.get('x-should-retry')]).toEqual([409, 'conflict', 'false']);
    const arrived = await on.arrival(path, first.body.requestId);
    expect(JSON.parse(arrived.body)).toMatchObject({ jobId: first.body.requestId, status: 'succeeded', result: { answer: 'Called back.' } });
  });

  test.each([
    ['an unknown model', 404, 'model_not_found', { model: 'no-such-model' }],
    ['a plain model', 400, 'invalid_request', { model: 'fake-model' }],
    ['no messages', 400, 'invalid_request', { messages: [] }],
    ['a callback URL that is none', 400, 'invalid_request', { callbackUrl: 'ftp://example.com' }],
    ['a tool of its own program', 400, 'invalid_request', { tools: [{ type: 'function', function: { name: 'mine', parameters: {} } }] }],
  ])('is refused with %s: %i', async (_, status, code, more) => {
    const refused = await submit(body({}, more));
    expect([refused.status, refused.body.error.code]).toEqual([status, code]);
  });

  test('is nobody else’s', async () => {
    const { requestId } = (await submit(body())).body;
    const [stranger, reader] = [await on.newTenant(), await on.newTenant({ scopes: ['runs:read'] })];
    const nobody = { ...on.api, call: (method: string, path: string) => fetch(`${on.api.base}${path}`, { method }) };
    for (const [method, path] of [['GET', `/v1/requests/${requestId}/status`], ['POST', `/v1/requests/${requestId}/cancel`], ['GET', `/v1/runs/${requestId}/wait`]] as const) {
      expect((await stranger.call(method, path)).status).toBe(404);
      expect((await nobody.call(method, path)).status).toBe(401);
    }
    expect((await nobody.call('GET', '/v1/requests')).status).toBe(401);
    expect((await submit(body(), {}, reader)).status).toBe(403);
    expect((await reader.call('POST', `/v1/requests/${requestId}/cancel`)).status).toBe(403);
  });
});

describe.each(shapes)('waiting for a run in %s', (shape) => {
  const on = stage(shape);

  const wait = (runId: string, query = '', headers: Record<string, string> = {}) => on.api.call<Run & ApiError>('GET', `/v1/runs/${runId}/wait${query}`, { headers });

  test('is answered with the run when it has ended, however often it is asked', async () => {
    const runId = await on.start({ answer: '{"n":1}', delay: 700 }, { input: { answerFormat: { type: 'object', properties: { n: { type: 'integer' } } } } });
    const [one, two] = await Promise.all([wait(runId), wait(runId, '?timeout=60', { 'x-answer-encoding': 'string' })]);
    expect([one.status, one.body.status, one.body.result?.answer]).toEqual([200, 'succeeded', { n: 1 }]);
    expect(two.body).toMatchObject({ runId, status: 'succeeded', result: { answer: '{"n":1}' } });
    expect((await wait(runId, '?timeout=0')).body).toEqual(one.body);
  });

  test('is answered with the run as it stands when the time is up, and at its cancellation', async () => {
    const runId = await on.start({ hang: 9 });
    expect((await wait(runId, '?timeout=1')).body).toMatchObject({ runId, status: expect.stringMatching(/^(queued|running)$/) });
    const waiting = wait(runId, '?timeout=60');
    await on.api.cancel(runId);
    expect((await waiting).body.status).toBe('canceled');
  });

  test.each(['61', '-1', 'soon', '1.5', ''])('is refused with the timeout "%s"', async (timeout) => {
    const refused = await wait(await on.start(), `?timeout=${timeout}`);
    expect([refused.status, refused.body.error.code]).toEqual([400, 'invalid_request']);
  });
});
