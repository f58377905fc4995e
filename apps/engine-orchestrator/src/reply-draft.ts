import { cleanText } from '@nightshift/std';
import { ModelError } from './model-error.ts';
import { estimateTokens, type ModelDelta, type ModelFinishReason, type ModelReply, type ModelRequest, type ModelToolCall, type ModelUsage, requestChars, type TokenKind } from './model.ts';

/** Bytes of text, reasoning and tool arguments together that one reply may have. */
export const REPLY_BYTES_MAX = 2 * 1024 * 1024;

/** Tool calls that one reply may have. */
export const REPLY_CALLS_MAX = 128;

/** Far above what any tool is called: a name is counted by, so it must stay small. */
const NAME_CHARS_MAX = 128;

/** A call that is being put together. */
export interface CallDraft {
  id: string;
  name: string;
  arguments: string;
}

/** What the upstream said of a reply besides its text; null where it said nothing. */
export interface Reported {
  readonly finishReason: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly model: string;
}

/** A reply that is being put together, whatever wire it comes on: its text cleaned, its size bounded. Pure but for `onDelta`. */
export class ReplyDraft {
  readonly #request: ModelRequest;
  readonly #onDelta: ((delta: ModelDelta) => void) | undefined;
  readonly #texts = { content: new CleanText(), reasoning: new CleanText() };
  readonly #firstArguments = new CleanText();
  readonly #calls: CallDraft[] = [];
  #bytes = 0;

  constructor(request: ModelRequest, onDelta?: (delta: ModelDelta) => void) {
    this.#request = request;
    this.#onDelta = onDelta;
  }

  /** Counts what was received. Throws a `ModelError` when the reply is larger than it may be. */
  count(text: string): void {
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes > REPLY_BYTES_MAX) throw invalidReply(`The model's reply is larger than ${REPLY_BYTES_MAX / 1024 / 1024} MiB`);
  }

  addText(kind: 'content' | 'reasoning', piece: string): void {
    if (piece === '') return;
    this.count(piece);
    const text = this.#texts[kind].add(piece);
    if (text !== '') this.#onDelta?.({ kind, text });
  }

  /** A new call, to be filled in by its wire; what goes into it has to be counted. */
  addCall(): CallDraft {
    if (this.#calls.length === REPLY_CALLS_MAX) throw invalidReply(`The model asked for more than ${REPLY_CALLS_MAX} tool calls at once`);
    const draft = { id: '', name: '', arguments: '' };
    this.#calls.push(draft);
    return draft;
  }

  /** Tells of a piece of the first call's arguments; it is not counted here. */
  announce(name: string, piece: string): void {
    const text = this.#onDelta && name !== '' ? this.#firstArguments.add(piece) : '';
    if (text !== '') this.#onDelta?.({ kind: 'call', name: nameOf(name), text });
  }

  finish(reported: Reported): ModelReply {
    const { content, reasoning } = this.#texts;
    for (const kind of ['reasoning', 'content'] as const) {
      const rest = this.#texts[kind].end();
      if (rest !== '') this.#onDelta?.({ kind, text: rest });
    }
    const toolCalls = finishCalls(this.#calls);
    return {
      content: content.text,
      ...(reasoning.text === '' ? {} : { reasoning: reasoning.text }),
      toolCalls,
      finishReason: finishReasonOf(reported.finishReason, toolCalls.length),
      usage: usageOf(reported, this.#request, content.text.length + reasoning.text.length, toolCalls),
      model: cleanText(reported.model),
    };
  }
}

/** The error for a reply that nobody can use. */
export function invalidReply(message: string, cause?: unknown): ModelError {
  return new ModelError('invalid', { code: 'upstream_invalid_response', message: `${message}.`, cause });
}

/** The error for a reply that broke off. */
export function cutReply(cause?: unknown): ModelError {
  return new ModelError('unavailable', { code: 'upstream_unavailable', message: 'The model server ended its reply in the middle.', cause });
}

/** Cleans a text that comes in pieces: a pair of surrogates cut between two of them stays a pair. */
class CleanText {
  text = '';
  #held = '';

  add(piece: string): string {
    const whole = this.#held + (piece.includes('\u0000') ? piece.replaceAll('\u0000', '') : piece);
    const last = whole.charCodeAt(whole.length - 1);
    this.#held = last >= 0xd800 && last <= 0xdbff ? whole.slice(-1) : '';
    return this.#push(this.#held === '' ? whole : whole.slice(0, -1));
  }

  end(): string {
    const rest = this.#push(this.#held);
    this.#held = '';
    return rest;
  }

  #push(piece: string): string {
    const cleaned = piece.toWellFormed();
    this.text += cleaned;
    return cleaned;
  }
}

/** Every call gets an id of its own, since a reply to it has to name it. */
function finishCalls(drafts: readonly CallDraft[]): ModelToolCall[] {
  const taken = new Set<string>();
  return drafts.map((draft, position) => {
    let id = cleanText(draft.id) || `call_${position}`;
    while (taken.has(id)) id = `${id}_${position}`;
    taken.add(id);
    return { id, name: nameOf(draft.name), arguments: cleanText(draft.arguments) };
  });
}

function nameOf(name: string): string {
  return cleanText(name).slice(0, NAME_CHARS_MAX);
}

function finishReasonOf(reason: string | null, callCount: number): ModelFinishReason {
  if (reason === 'length' || reason === 'content_filter') return reason;
  return callCount > 0 ? 'tool_calls' : 'stop';
}

function usageOf(reported: Reported, request: ModelRequest, textChars: number, calls: readonly ModelToolCall[]): ModelUsage {
  const { inputTokens: input, outputTokens: output, cachedInputTokens } = reported;
  const callChars = calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
  const inputTokens = input ?? estimateTokens(requestChars(request));
  const estimated: TokenKind[] = [...(input === null ? ['input' as const] : []), ...(output === null ? ['output' as const] : [])];
  return {
    inputTokens,
    outputTokens: output ?? estimateTokens(textChars + callChars),
    cachedInputTokens: Math.min(cachedInputTokens ?? 0, inputTokens),
    estimated,
  };
}
