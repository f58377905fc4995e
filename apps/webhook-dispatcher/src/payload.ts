import type { FinishedBody, RunFinished, RunResult, StepUsage } from '@nightshift/contracts';

/**
 * The JSON that a webhook carries, as the superset of the documented shapes. Only a run that has succeeded shows a result;
 * a result without reasoning (`answer_only`) has none in any of its places. What the engine has not reported by the run's
 * end is null. `costCents` is what the run was charged: nothing, as long as no credits are sold here; what its tokens cost
 * at the catalogue's prices stands in the usage report.
 */
export function payloadOf(run: Omit<RunFinished, 'body'>, body: FinishedBody): object {
  const { usage } = run;
  return {
    jobId: run.runId,
    runId: run.runId,
    orgId: run.orgId,
    status: run.status,
    model: run.engine,
    engine: run.engine,
    result: run.status === 'succeeded' && body.result ? resultOf(body.result, usage) : null,
    error: body.error && { code: body.error.code, message: body.error.message },
    tokens: usage ? { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens, costCents: 0 } : null,
    usage: usage ? { inputTokens: usage.inputTokens, outputTokens: usage.outputTokens } : null,
    createdAt: run.createdAt,
    startedAt: run.startedAt ?? null,
    completedAt: run.completedAt,
    metadata: body.metadata,
  };
}

function resultOf({ answer, reasoning }: RunResult, usage: StepUsage | undefined): object {
  const fullResponse = JSON.stringify({ reasoning, answer });
  return {
    choices: [{ message: { role: 'assistant', content: fullResponse } }],
    usage: usage ? { prompt_tokens: usage.inputTokens, completion_tokens: usage.outputTokens } : null,
    fullResponse,
    answer,
    reasoning,
  };
}
