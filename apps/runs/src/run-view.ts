import { type AnswerEncoding, type FinishedBody, isTerminal, type RunResult, type RunUsage, type RunView } from '@nightshift/contracts';
import type { Run } from './run.ts';

/** A run as clients see it. Absent fields are left out: released clients refuse nulls. */
export function viewOf(run: Run & { readonly updatedAt: Date }, encoding: AnswerEncoding = run.answerEncoding): RunView {
  const ended = isTerminal(run.status);
  const usage = usageOf(run);
  return {
    runId: run.id,
    status: run.status,
    engine: run.engine,
    createdAt: run.createdAt.toISOString(),
    updatedAt: run.updatedAt.toISOString(),
    ...(run.startedAt && { startedAt: run.startedAt.toISOString() }),
    ...(run.completedAt && { completedAt: run.completedAt.toISOString() }),
    ...(ended && run.result && { result: encodeResult(run.result, encoding) }),
    ...(ended && usage && { usage }),
    ...(run.error && { error: run.error }),
    ...(run.metadata && { metadata: run.metadata }),
    traceId: run.traceparent.slice(3, 35),
  };
}

/** What a run has used, as far as the engine has said so. */
export function usageOf(run: Run): RunUsage | undefined {
  if (!run.usage) return undefined;
  const { inputTokens, outputTokens, toolCalls } = run.usage;
  return { inputTokens, outputTokens, durationMs: durationMs(run), toolCalls };
}

/** From the first turn to the end, in whole milliseconds; 0 for a run that never started. */
export function durationMs(run: Run): number {
  if (!run.startedAt || !run.completedAt) return 0;
  return Math.max(0, run.completedAt.getTime() - run.startedAt.getTime());
}

/** What a webhook says of the run's end. */
export function finishedBody(run: Run): FinishedBody {
  return { result: run.result ? encodeResult(run.result, run.answerEncoding) : null, error: run.error, metadata: run.metadata };
}

function encodeResult(result: RunResult, encoding: AnswerEncoding): RunResult {
  if (encoding === 'object' || typeof result.answer === 'string') return result;
  return { ...result, answer: JSON.stringify(result.answer) };
}
