import { describe, expect, test } from '@jest/globals';
import { FinishedBody, RunFinished, RunView } from '@nightshift/contracts';
import type { Run } from './run.ts';
import { finishedEvent, startCommand, wholeEvent } from './run-events.ts';
import { durationMs, finishedBody, viewOf } from './run-view.ts';

const usage = { inputTokens: 7, outputTokens: 3, cachedInputTokens: 1, toolCalls: { lookup: 1 } };
const queued: Run & { updatedAt: Date } = {
  id: 'run_1',
  orgId: 'org_1',
  apiKeyId: 'key_1',
  pool: 'shared',
  engine: 'tim',
  status: 'queued',
  version: 0,
  timeoutMs: 60_000,
  callbackUrl: null,
  egressAllow: [],
  responseContent: 'full',
  answerEncoding: 'object',
  metadata: null,
  traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
  result: null,
  error: null,
  usage: null,
  createdAt: new Date('2026-01-01T00:00:00.000Z'),
  updatedAt: new Date('2026-01-01T00:00:00.000Z'),
  startedAt: null,
  completedAt: null,
  deadlineAt: new Date('2026-01-02T00:00:00.000Z'),
  checkAt: null,
  checkCount: 0,
};
const succeeded: typeof queued = { ...queued, status: 'succeeded', result: { answer: { n: 1 }, reasoning: [] }, usage, startedAt: new Date('2026-01-01T00:00:01.000Z'), completedAt: new Date('2026-01-01T00:00:03.500Z') };

describe('the view of a run', () => {
  test.each([['queued', queued], ['succeeded', succeeded], ['canceled before it started', { ...queued, status: 'canceled' as const, completedAt: succeeded.completedAt }]])('has no nulls: %s', (_, run) => {
    const view = viewOf(run);
    expect(RunView.parse(view)).toEqual(view);
    expect(JSON.stringify(view)).not.toContain('null');
  });

  test('shows a result and usage only when the run has ended', () => {
    expect(viewOf(queued)).toEqual({ runId: 'run_1', status: 'queued', engine: 'tim', createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z', traceId: '1'.repeat(32) });
    expect(viewOf(succeeded)).toMatchObject({ result: { answer: { n: 1 }, reasoning: [] }, usage: { inputTokens: 7, outputTokens: 3, durationMs: 2500, toolCalls: { lookup: 1 } } });
    expect(viewOf({ ...succeeded, status: 'running' })).not.toHaveProperty('result');
  });

  test('gives a parsed answer as text to whoever asks for it, for this reply alone', () => {
    expect(viewOf(succeeded, 'string').result).toEqual({ answer: '{"n":1}', reasoning: [] });
    expect(viewOf({ ...succeeded, answerEncoding: 'string' }).result?.answer).toBe('{"n":1}');
    expect(viewOf({ ...succeeded, answerEncoding: 'string' }, 'object').result?.answer).toEqual({ n: 1 });
    expect(viewOf({ ...succeeded, result: { answer: 'plain' } }, 'string').result?.answer).toBe('plain');
  });

  test('gives an answer that is null as null, and as its text', () => {
    const none = { ...succeeded, result: { answer: null } };
    expect(viewOf(none).result).toEqual({ answer: null });
    expect(viewOf(none, 'string').result).toEqual({ answer: 'null' });
  });

  test('counts no time for a run that never started, and never a negative one', () => {
    expect(durationMs({ ...queued, completedAt: new Date() })).toBe(0);
    expect(durationMs({ ...succeeded, startedAt: succeeded.completedAt, completedAt: succeeded.startedAt })).toBe(0);
  });
});

describe('the announcement of an end', () => {
  const called = { ...succeeded, callbackUrl: 'https://example.com/hook', egressAllow: ['10.0.0.0/8'], metadata: { order: 7 } };

  test('carries the body for a webhook, in the encoding of the run', () => {
    const event = finishedEvent({ ...called, answerEncoding: 'string' });
    expect(RunFinished.parse(event)).toEqual(event);
    expect(event).toMatchObject({ callbackUrl: called.callbackUrl, egressAllow: ['10.0.0.0/8'], body: { result: { answer: '{"n":1}' }, error: null, metadata: { order: 7 } } });
  });

  test('carries no body when nobody is to be called', () => {
    const event = finishedEvent(succeeded);
    expect(RunFinished.parse(event)).toEqual(event);
    expect([event.body, event.callbackUrl, event.egressAllow]).toEqual([undefined, undefined, undefined]);
    expect(wholeEvent(succeeded)).toEqual({ ...event, body: finishedBody(succeeded) });
  });

  test('leaves out a body of more than 64 KiB, counted in bytes', () => {
    const sized = (answer: string) => finishedEvent({ ...called, result: { answer } }).body !== undefined;
    expect([sized('x'.repeat(65_000)), sized('x'.repeat(65_536)), sized('é'.repeat(40_000))]).toEqual([true, false, false]);
    expect(wholeEvent({ ...called, result: { answer: 'x'.repeat(100_000) } }).body?.result?.answer).toHaveLength(100_000);
  });

  test('says null where there is nothing, as webhooks do', () => {
    expect(FinishedBody.parse(finishedBody(queued))).toEqual({ result: null, error: null, metadata: null });
  });

  test('a start leaves out a request that is too large to travel', () => {
    const ids = { runId: 'run_1', orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', engine: 'tim' };
    expect(startCommand(ids, { instructions: 'x', tools: [] })).toEqual({ command: 'start', ...ids, request: { instructions: 'x', tools: [] } });
    expect(startCommand(ids, { instructions: 'x'.repeat(70_000), tools: [] })).toEqual({ command: 'start', ...ids });
  });
});
