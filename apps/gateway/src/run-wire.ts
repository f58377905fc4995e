import { type Frame, FrameEnd, type RunView } from '@nightshift/contracts';
import { madeAtMs } from '@nightshift/std';

/** What of a run its frames are rendered with; it never changes, and is known before the run is. `pool`: whose engines are asked for them. */
export type StreamedRun = Pick<RunView, 'runId' | 'engine'> & { readonly pool?: string };

/** The last line of every stream. */
export const DONE = 'data: [DONE]\n\n';

/**
 * One frame as server-sent events, the same bytes for everybody: a single line of ASCII, because some clients split lines
 * at U+2028 and decode as Latin-1. Only the last event of a frame carries its number.
 */
export function renderFrame({ seq, kind, text }: Frame, run: StreamedRun): string {
  switch (kind) {
    case 'started':
      return event(seq, 'started', { runId: run.runId, run_id: run.runId });
    case 'text':
      return event(seq, undefined, chunkOf(run, text));
    case 'node':
      return eventOf(seq, 'reasoning_node', `{"node":${text}}`);
    case 'call':
      return eventOf(seq, 'tool_call', `{"call":${text}}`);
    default:
      return ending(seq, FrameEnd.parse(JSON.parse(text)));
  }
}

/** Whether nothing follows a frame. */
export function isLast({ kind }: Frame): boolean {
  return kind === 'end';
}

/** An error that is none of the run's: it has no number, since a client that comes back goes on before it. */
export function renderNotice(code: string, message: string): string {
  return `event: error\n${dataOf(JSON.stringify(errorOf(code, message)))}${DONE}`;
}

function ending(seq: number, end: FrameEnd): string {
  if (end.status !== 'succeeded') return event(seq, 'error', errorOf(end.error.code, end.error.message));
  return event(seq, 'result', { result: end.result, ...(end.usage && { usage: end.usage }) });
}

/** `error` is a text: older clients show it as it is. */
function errorOf(code: string, message: string): object {
  return { type: 'error', error: message, message, code };
}

function chunkOf({ runId, engine }: StreamedRun, content: string): object {
  return {
    id: `chatcmpl-${runId}`,
    object: 'chat.completion.chunk',
    created: Math.floor(madeAtMs(runId) / 1000),
    model: engine,
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
    type: 'delta',
    content,
  };
}

function event(seq: number, name: string | undefined, data: object): string {
  return eventOf(seq, name, JSON.stringify(data));
}

function eventOf(seq: number, name: string | undefined, json: string): string {
  return `id: ${seq}\n${name === undefined ? '' : `event: ${name}\n`}${dataOf(json)}`;
}

/** The data of an event: one line of ASCII. */
export function dataOf(json: string): string {
  return `data: ${json.replaceAll(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n\n`;
}
