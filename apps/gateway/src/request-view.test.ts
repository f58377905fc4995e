import { describe, expect, test } from '@jest/globals';
import { RequestList, RequestView, RUN_STATUSES, type RunView } from '@nightshift/contracts';
import { completionOf } from './agent-chat.ts';
import { requestOf, requestsOf } from './request-view.ts';

const created = '2026-11-22T10:00:00.000Z';
const ended = '2026-11-22T10:00:09.000Z';
const run: RunView = { runId: 'run_1', status: 'queued', engine: 'tim-large', createdAt: created, updatedAt: created };

describe('a run as a request', () => {
  test('has the status that the requests surface knows', () => {
    expect(RUN_STATUSES.map((status) => requestOf({ ...run, status }).status)).toEqual(['pending', 'processing', 'completed', 'failed', 'cancelled', 'failed']);
  });

  test('has null for what does not apply, and every field else', () => {
    const request = requestOf(run);
    expect(request).toEqual({
      requestId: 'run_1', jobId: 'run_1', status: 'pending', model: 'tim-large', engine: 'tim-large', result: null, error: null,
      createdAt: created, updatedAt: created, startedAt: null, completedAt: null,
    });
    expect(RequestView.parse(request)).toEqual(request);
  });

  test('has a completion as its result once it is completed', () => {
    const succeeded: RunView = { ...run, status: 'succeeded', startedAt: created, completedAt: ended, result: { answer: 'x', reasoning: [] }, usage: { inputTokens: 7, outputTokens: 3, durationMs: 9, toolCalls: {} } };
    expect(requestOf(succeeded)).toMatchObject({ status: 'completed', result: completionOf(succeeded), error: null, startedAt: created, completedAt: ended });
  });

  test('has why it failed, and no result then', () => {
    const failed = requestOf({ ...run, status: 'timed_out', error: { code: 'timeout', message: 'Too late.', details: { a: 1 } }, completedAt: ended });
    expect(failed).toMatchObject({ status: 'failed', result: null, error: { code: 'timeout', message: 'Too late.' }, completedAt: ended });
    expect(requestOf({ ...run, status: 'canceled' })).toMatchObject({ status: 'cancelled', result: null, error: null });
  });
});

test('a page of runs is a page of requests', () => {
  const page = requestsOf({ runs: [{ runId: 'run_1', status: 'running', engine: 'tim', createdAt: created, updatedAt: ended }], nextCursor: 'next' });
  expect(page).toEqual({ requests: [{ requestId: 'run_1', jobId: 'run_1', status: 'processing', model: 'tim', engine: 'tim', createdAt: created, updatedAt: ended }], nextCursor: 'next' });
  expect(RequestList.parse(page)).toEqual(page);
});
