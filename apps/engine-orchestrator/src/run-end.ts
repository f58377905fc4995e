import type { FrameEnd, RunOutcome, RunResult, RunStop } from '@nightshift/contracts';

const MESSAGES: Readonly<Record<string, string>> = { canceled: 'The run was canceled.', timed_out: 'The run timed out.', failed: 'The run failed.' };

/** What the last frame of a run says: how runs decided that it ended, with the result that the engine found. */
export function frameEnd({ status, error, usage, answerEncoding, answerOnly }: RunStop, outcome: RunOutcome | null): FrameEnd {
  if (status === 'succeeded' && outcome?.status === 'succeeded') {
    return { status, result: resultFor(outcome.result, answerEncoding ?? 'object', answerOnly ?? false), ...(usage && { usage }) };
  }
  const ended = status === 'canceled' || status === 'timed_out' ? status : 'failed';
  return { status: ended, error: error ?? { code: ended === 'failed' ? 'internal_error' : ended, message: MESSAGES[ended] as string } };
}

function resultFor({ answer, reasoning }: RunResult, encoding: 'object' | 'string', answerOnly: boolean): RunResult {
  const encoded = encoding === 'string' && typeof answer !== 'string' ? JSON.stringify(answer) : answer;
  return answerOnly || reasoning === undefined ? { answer: encoded } : { answer: encoded, reasoning };
}
