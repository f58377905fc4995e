import { describe, expect, test } from '@jest/globals';
import { documentOf, judgeStreams, openStream } from './event-stream.ts';
import { browserOrigin, shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Document = { reasoning: { thought?: string; title?: string; tooluse?: { tool_name: string; tool_result: unknown } }[]; answer: unknown };
const ANSWER = 'Ça va: caf\u00e9 \u2028 \ud83d\ude00 "fin"';

describe.each(shapes)('streams of %s', (shape) => {
  const on = stage(shape);
  const stream = (path: string, more: { body?: object; headers?: Record<string, string>; key?: string } = {}) => openStream(`${on.api.base}/v1/runs${path}`, { key: on.api.key, ...more });
  const tools = () => [functionTool('weather', `${on.endpoint.url}/tool/weather`)];

  test('show a run while it goes on: thoughts, tool calls and the answer, in one document that is the result', async () => {
    const seen = await stream('/stream', { body: request({ tools: 2, think: 'I look it up.', say: 'One moment.', pace: 5, answer: ANSWER }, { input: { tools: tools() } }) });
    expect(seen.status).toBe(200);
    expect(Object.fromEntries(seen.headers)).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no', 'x-run-id': expect.stringMatching(/^run_/), 'x-request-id': expect.any(String) });
    expect(await seen.ended).toBe('ended');
    const runId = seen.headers.get('x-run-id') as string;
    const run = await on.settled(runId);
    const document = JSON.parse(documentOf(seen.events)) as Document;
    expect(document).toEqual(JSON.parse(JSON.stringify(run.result)));
    expect(document.reasoning.map(({ thought, title }) => [title, thought])).toEqual([['Call weather', 'I look it up.\nOne moment.'], ['Call weather', 'I look it up.\nOne moment.'], ['Answer', 'I look it up.']]);
    expect(document.answer).toBe(ANSWER);
    const named = seen.events.filter(({ event }) => event !== undefined);
    expect(named.map(({ event }) => event)).toEqual(['started', 'tool_call', 'reasoning_node', 'tool_call', 'reasoning_node', 'reasoning_node', 'result']);
    expect(JSON.parse(named.at(-1)?.data ?? '')).toEqual({ result: run.result, usage: run.usage });
    expect(judgeStreams([{ from: 0, events: seen.events }])).toEqual([]);
    // One line of ASCII each, and nothing that a client takes for the run's id or an error.
    expect(seen.raw()).toMatch(/^[\n\x20-\x7e]*\n\n$/);
    for (const { data, event } of seen.events.filter(({ data }) => data !== '[DONE]')) expect(Object.keys(JSON.parse(data) as object).filter((key) => key === 'error' || (key === 'run_id' && event !== 'started'))).toEqual([]);
  });

  test('come while the model speaks, not when it has ended', async () => {
    const seen = await stream('/stream', { body: request({ run: 'slow-talk', pace: 50, answer: 'word '.repeat(200) }) });
    await until(() => documentOf(seen.events).includes('word word word'), { timeoutMs: 30_000, what: () => 'the first words' });
    expect((await on.api.get(seen.headers.get('x-run-id') as string)).body.status).toBe('running');
    seen.leave();
    await seen.ended;
    expect((await on.api.get(seen.headers.get('x-run-id') as string)).body.status).toBe('running');
  });

  test('are the same for everybody, from every frame on, during the run and after it', async () => {
    const first = await stream('/stream', { body: request({ tools: 3, pace: 10, answer: 'a b c '.repeat(40) }, { input: { tools: tools() } }) });
    const runId = first.headers.get('x-run-id') as string;
    const observed: { from: number; events: Awaited<ReturnType<typeof stream>>['events'] }[] = [{ from: 0, events: first.events }];
    const during = [];
    const isOver = () => first.events.at(-1)?.data === '[DONE]';
    for (let from = 0; ; from += 4) {
      await until(() => first.events.length > from || isOver(), { timeoutMs: 30_000, what: () => `frame ${from}` });
      if (isOver()) break;
      const seen = await stream(`/${runId}/stream?starting_after=${from}`);
      observed.push({ from, events: seen.events });
      during.push(seen.ended);
    }
    expect(during.length).toBeGreaterThan(3);
    expect(await Promise.all([first.ended, ...during])).toEqual(Array.from({ length: during.length + 1 }, () => 'ended'));
    const last = first.events.length - 1;
    for (let from = 0; from < last; from += 1) {
      const seen = await stream(`/${runId}/stream?starting_after=0`, { headers: { 'last-event-id': String(from) } });
      await seen.ended;
      observed.push({ from, events: seen.events });
    }
    expect(judgeStreams(observed)).toEqual([]);
    for (const beyond of [last, last + 1000]) {
      const seen = await stream(`/${runId}/stream?starting_after=${beyond}`);
      await seen.ended;
      expect(seen.raw()).toBe('data: [DONE]\n\n');
    }
  });

  test('tell of a failure and of a cancel with one error, after a document that is whole', async () => {
    const failed = await stream('/stream', { body: request({ fail: '400' }) });
    await failed.ended;
    const canceled = await stream('/stream', { body: request({ pace: 50, answer: 'word '.repeat(200) }) });
    await until(() => documentOf(canceled.events).includes('word'), { timeoutMs: 30_000, what: () => 'the first word' });
    await on.api.cancel(canceled.headers.get('x-run-id') as string);
    await canceled.ended;
    const before = await stream('/stream', { body: request({ hang: 9 }), });
    await until(() => before.events.length > 0, { timeoutMs: 30_000, what: () => 'the begin' });
    await on.api.cancel(before.headers.get('x-run-id') as string);
    await before.ended;
    const codes = [failed, canceled, before].map(({ events }) => {
      const errors = events.filter(({ event }) => event === 'error');
      expect(errors).toHaveLength(1);
      expect(JSON.parse(documentOf(events))).toEqual({ reasoning: expect.any(Array), answer: null });
      const { type, error, message, code, ...rest } = JSON.parse(errors[0]?.data ?? '') as Record<string, unknown>;
      expect([type, error, rest]).toEqual(['error', message, {}]);
      return code;
    });
    expect(codes).toEqual([expect.stringMatching(/^upstream_/), 'canceled', 'canceled']);
  });

  test('leave out the reasoning of a run that shows its answer alone', async () => {
    const seen = await stream('/stream', { body: request({ tools: 1, think: 'secret thought', answer: 'open' }, { input: { tools: tools() }, output: { responseContent: 'answer_only' } }) });
    await seen.ended;
    expect(seen.raw()).not.toMatch(/secret thought|reasoning|tool_call/);
    expect(JSON.parse(documentOf(seen.events))).toEqual({ answer: 'open' });
  });

  test('give the answer as it was asked for in the result, and as a value in the document', async () => {
    const input = { answerFormat: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } };
    const seen = await stream('/stream', { body: request({ answer: '{ "n": 1 }', pace: 2 }, { input }), headers: { 'x-answer-encoding': 'string' } });
    await seen.ended;
    expect((JSON.parse(documentOf(seen.events)) as Document).answer).toEqual({ n: 1 });
    expect(JSON.parse(seen.events.find(({ event }) => event === 'result')?.data ?? '')).toMatchObject({ result: { answer: '{"n":1}' } });
  });

  test('go on when their client leaves, unless it said that the run shall not', async () => {
    const left = await stream('/stream?on_disconnect=cancel', { body: request({ hang: 9 }) });
    await until(() => left.events.length > 0, { timeoutMs: 30_000, what: () => 'the begin' });
    left.leave();
    expect((await on.settled(left.headers.get('x-run-id') as string)).status).toBe('canceled');
  });

  test('are refused before they begin with the status and the envelope of any request', async () => {
    const other = await on.newTenant();
    const { runId } = (await on.api.post(request())).body;
    for (const [path, more, status, code] of [
      [`/${runId}/stream`, { key: other.key }, 404, 'not_found'],
      [`/${runId}/stream`, { key: 'nobody' }, 401, 'authentication_failed'],
      [`/${runId}/stream?starting_after=-1`, {}, 400, 'invalid_request'],
      [`/${runId}/stream`, { headers: { 'last-event-id': 'x' } }, 400, 'invalid_request'],
      [`/${runId}/stream?api_key=${on.api.key}`, { headers: { authorization: '', origin: 'https://evil.example' } }, 401, 'authentication_failed'],
      ['/stream', { body: { engine: 'nope', input: { instructions: 'x' } } }, 400, 'invalid_request'],
    ] as const) {
      const seen = await stream(path, more);
      await seen.ended;
      expect([seen.status, (JSON.parse(seen.raw()) as { error: { code: string } }).error.code]).toEqual([status, code]);
    }
  });

  test('of a request that is sent again are those of the first one', async () => {
    const body = request({ answer: 'once' });
    const headers = { 'idempotency-key': `stream-${Math.random()}` };
    const [first, second] = [await stream('/stream', { body, headers }), await stream('/stream', { body, headers })];
    await Promise.all([first.ended, second.ended]);
    expect(second.headers.get('x-run-id')).toBe(first.headers.get('x-run-id'));
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.raw()).toBe(first.raw());
  });

  test('are open to browsers of the operator’s origins, with the key in the address, and to no others', async () => {
    const { runId } = (await on.api.post(request())).body;
    const path = `/${runId}/stream?api_key=${on.api.key}`;
    const seen = await stream(path, { headers: { authorization: '', origin: browserOrigin } });
    expect([seen.status, await seen.ended, seen.headers.get('access-control-allow-origin')]).toEqual([200, 'ended', browserOrigin]);
    expect(judgeStreams([{ from: 0, events: seen.events }])).toEqual([]);
    const preflight = (origin: string) => fetch(`${on.api.base}/v1/runs/stream`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' } });
    expect((await preflight(browserOrigin)).headers.get('access-control-allow-origin')).toBe(browserOrigin);
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
    const elsewhere = await fetch(`${on.api.base}/v1/runs?api_key=${on.api.key}`, { headers: { origin: browserOrigin } });
    expect(elsewhere.status).toBe(401);
  });
});
