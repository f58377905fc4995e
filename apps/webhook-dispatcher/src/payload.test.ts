import { describe, expect, test } from '@jest/globals';
import type { FinishedBody, RunFinished } from '@nightshift/contracts';
import { payloadOf } from './payload.ts';

const run: Omit<RunFinished, 'body'> = {
  runId: 'run_1',
  orgId: 'org_1',
  apiKeyId: 'key_1',
  engine: 'tim-gpt',
  status: 'succeeded',
  callbackUrl: 'https://example.com/hook',
  usage: { inputTokens: 1678, outputTokens: 83, cachedInputTokens: 5, toolCalls: { web_search: 2 } },
  createdAt: '2026-01-16T20:54:09.090Z',
  startedAt: '2026-01-16T20:54:10.000Z',
  completedAt: '2026-01-16T20:54:12.500Z',
};
const reasoning = [{ title: 'Look', thought: 'first' }];
const body: FinishedBody = { result: { answer: 'Paris', reasoning }, error: null, metadata: null };

describe('the payload', () => {
  test('of a run that succeeded has every documented field, and no other', () => {
    const document = JSON.stringify({ reasoning, answer: 'Paris' });
    expect(JSON.parse(JSON.stringify(payloadOf(run, body)))).toStrictEqual({
      jobId: 'run_1',
      runId: 'run_1',
      orgId: 'org_1',
      status: 'succeeded',
      model: 'tim-gpt',
      engine: 'tim-gpt',
      result: {
        choices: [{ message: { role: 'assistant', content: document } }],
        usage: { prompt_tokens: 1678, completion_tokens: 83 },
        fullResponse: document,
        answer: 'Paris',
        reasoning,
      },
      error: null,
      tokens: { inputTokens: 1678, outputTokens: 83, costCents: 0 },
      usage: { inputTokens: 1678, outputTokens: 83 },
      createdAt: '2026-01-16T20:54:09.090Z',
      startedAt: '2026-01-16T20:54:10.000Z',
      completedAt: '2026-01-16T20:54:12.500Z',
      metadata: null,
    });
  });

  test('keeps a structured answer structured, and the metadata as they came', () => {
    const payload = payloadOf(run, { ...body, result: { answer: { city: 'Paris' }, reasoning }, metadata: { order: 7 } });
    expect(payload).toMatchObject({ result: { answer: { city: 'Paris' }, fullResponse: JSON.stringify({ reasoning, answer: { city: 'Paris' } }) }, metadata: { order: 7 } });
  });

  test('of answer_only shows no reasoning in any place', () => {
    const text = JSON.stringify(payloadOf(run, { ...body, result: { answer: 'Paris' } }));
    expect(text).not.toContain('reasoning');
    expect(JSON.parse(text)).toMatchObject({ result: { answer: 'Paris', fullResponse: '{"answer":"Paris"}', choices: [{ message: { content: '{"answer":"Paris"}' } }] } });
  });

  test.each(['failed', 'timed_out'] as const)('of a run that %s has no result, and says why', (status) => {
    const error = { code: 'engine_error', message: 'The model said no.', details: { tries: 3 } };
    expect(payloadOf({ ...run, status }, { ...body, error })).toMatchObject({ status, result: null, error: { code: 'engine_error', message: 'The model said no.' } });
  });

  test('of a canceled run has no result and no error, even if an answer came late', () => {
    expect(payloadOf({ ...run, status: 'canceled' }, body)).toMatchObject({ status: 'canceled', result: null, error: null });
  });

  test('of a run that never started, and whose usage nobody has told, says null', () => {
    const { usage: _usage, startedAt: _startedAt, ...rest } = run;
    expect(payloadOf({ ...rest, status: 'canceled' }, { ...body, result: null })).toMatchObject({ usage: null, tokens: null, startedAt: null });
  });
});
