import { type Frame, FrameEnd } from '@nightshift/contracts';
import { madeAtMs } from '@nightshift/std';
import { dataOf, DONE, type StreamedRun } from './run-wire.ts';

/** One frame as what chat clients are sent: chunks of a completion, and nothing for what those cannot show. They read no numbers. */
export function renderChat({ kind, text }: Frame, run: StreamedRun, includesUsage: boolean): string {
  switch (kind) {
    case 'started':
      return chunk(run, { role: 'assistant', content: '' });
    case 'text':
      return chunk(run, { content: text });
    case 'node':
    case 'call':
      return '';
    default:
      return ending(run, FrameEnd.parse(JSON.parse(text)), includesUsage);
  }
}

/** An error that is none of the run's, and the end of the stream. */
export function renderChatNotice(code: string, message: string): string {
  return `${errorOf(code, message)}${DONE}`;
}

function ending(run: StreamedRun, end: FrameEnd, includesUsage: boolean): string {
  if (end.status !== 'succeeded') return errorOf(end.error.code, end.error.message);
  const { inputTokens = 0, outputTokens = 0 } = end.usage ?? {};
  const usage = { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
  return chunk(run, {}, 'stop') + (includesUsage ? dataOf(JSON.stringify({ ...headOf(run), choices: [], usage })) : '');
}

function errorOf(code: string, message: string): string {
  return dataOf(JSON.stringify({ error: { message, type: code, code, param: null } }));
}

function chunk(run: StreamedRun, delta: object, finishReason: 'stop' | null = null): string {
  return dataOf(JSON.stringify({ ...headOf(run), choices: [{ index: 0, delta, finish_reason: finishReason }] }));
}

function headOf({ runId, engine }: StreamedRun): object {
  return { id: `chatcmpl-${runId}`, object: 'chat.completion.chunk', created: Math.floor(madeAtMs(runId) / 1000), model: engine };
}
