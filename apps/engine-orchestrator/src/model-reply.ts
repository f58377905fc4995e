import { cleanText } from '@nightshift/std';
import { ModelError, reportedError } from './model-error.ts';
import {
  type ModelDelta,
  type ModelFinishReason,
  type ModelReply,
  type ModelRequest,
  type ModelToolCall,
  type ModelUsage,
  estimateTokens,
  requestChars,
} from './model.ts';

/** Bytes of text, reasoning and tool arguments together that one reply may have. */
export const REPLY_BYTES_MAX = 2 * 1024 * 1024;

/** Tool calls that one reply may have. */
export const REPLY_CALLS_MAX = 128;

type Json = Readonly<Record<string, unknown>>;

interface CallDraft {
  id: string;
  name: string;
  arguments: string;
}

/** A reply that is being put together from what an upstream sends. */
export interface ReplyAssembly {
  /** Takes the data of one server-sent event, or the whole body of a reply that is not streamed. Throws a `ModelError` on what no reply may have. */
  add(data: string): void;
  /** True from the moment the upstream said that nothing follows. */
  readonly isDone: boolean;
  /** The reply, or a retryable `ModelError` when the stream was cut before its end. */
  finish(): ModelReply;
}

export interface ReplyAssemblyOptions {
  readonly apiKeyName?: string;
  readonly onDelta?: (delta: ModelDelta) => void;
}

/** Puts a reply together from the chunks of a chat-completions stream; pure but for `onDelta`. */
export function assembleReply(request: ModelRequest, options: ReplyAssemblyOptions = {}): ReplyAssembly {
  const { apiKeyName = 'UPSTREAM_API_KEY', onDelta } = options;
  const content = cleanGatherer();
  const reasoning = cleanGatherer();
  const calls: CallDraft[] = [];
  const callAt = new Map<number, CallDraft>();
  let model = request.model;
  let usage: Json | null = null;
  let finishReason: string | null = null;
  let hasChoice = false;
  let isDone = false;
  let bytes = 0;

  const count = (text: string): void => {
    bytes += Buffer.byteLength(text);
    if (bytes > REPLY_BYTES_MAX) throw invalid(`The model's reply is larger than ${REPLY_BYTES_MAX / 1024 / 1024} MiB`);
  };

  const addText = (kind: ModelDelta['kind'], piece: string): void => {
    if (piece === '') return;
    count(piece);
    const text = (kind === 'content' ? content : reasoning).add(piece);
    if (text !== '') onDelta?.({ kind, text });
  };

  /** Some servers leave `index` out, or send several calls under index 0: a new id under a used index is a new call. */
  const draftFor = (part: Json, position: number): CallDraft => {
    const index = typeof part['index'] === 'number' ? part['index'] : position;
    const id = typeof part['id'] === 'string' ? part['id'] : '';
    const known = callAt.get(index);
    if (known && (id === '' || known.id === '' || known.id === id)) return known;
    if (calls.length === REPLY_CALLS_MAX) throw invalid(`The model asked for more than ${REPLY_CALLS_MAX} tool calls at once`);
    const draft = { id: '', name: '', arguments: '' };
    calls.push(draft);
    callAt.set(index, draft);
    return draft;
  };

  const addCall = (part: Json, position: number): void => {
    const draft = draftFor(part, position);
    if (typeof part['id'] === 'string' && draft.id === '') count((draft.id = part['id']));
    const called = asJson(part['function']);
    const name = called?.['name'];
    const sent = called?.['arguments'];
    if (typeof name === 'string' && name !== draft.name) {
      count(name);
      draft.name += name;
    }
    const text = typeof sent === 'string' ? sent : sent === undefined || sent === null ? '' : JSON.stringify(sent);
    count(text);
    draft.arguments += text;
  };

  const addChoice = (choice: Json): void => {
    hasChoice = true;
    const delta = asJson(choice['delta']) ?? asJson(choice['message']);
    if (delta) {
      addText('reasoning', textOf(delta['reasoning_content'] ?? delta['reasoning']));
      addText('content', textOf(delta['content']));
      addText('content', textOf(delta['refusal']));
      const parts = delta['tool_calls'];
      if (Array.isArray(parts)) parts.forEach((part, position) => addCall(asJson(part) ?? {}, position));
    }
    if (typeof choice['finish_reason'] === 'string') finishReason = choice['finish_reason'];
  };

  const addChunk = (chunk: Json): void => {
    if (chunk['error'] !== undefined && chunk['error'] !== null) throw reportedError(chunk['error'], apiKeyName);
    if (typeof chunk['model'] === 'string' && chunk['model'] !== '') model = chunk['model'];
    usage = asJson(chunk['usage']) ?? usage;
    const choices = chunk['choices'];
    const choice = Array.isArray(choices) ? asJson(choices[0]) : null;
    if (choice) addChoice(choice);
  };

  return {
    add(data) {
      if (isDone) return;
      if (data.startsWith('[DONE]')) isDone = true;
      else addChunk(parseChunk(data));
    },
    get isDone() {
      return isDone;
    },
    finish() {
      if (!isDone && finishReason === null) {
        throw new ModelError('unavailable', { code: 'upstream_unavailable', message: 'The model server ended its reply in the middle.' });
      }
      if (!hasChoice) throw invalid('The model server sent no reply');
      for (const [kind, gatherer] of [['reasoning', reasoning], ['content', content]] as const) {
        const rest = gatherer.end();
        if (rest !== '') onDelta?.({ kind, text: rest });
      }
      const toolCalls = finishCalls(calls);
      return {
        content: content.text,
        ...(reasoning.text === '' ? {} : { reasoning: reasoning.text }),
        toolCalls,
        finishReason: finishReasonOf(finishReason, toolCalls.length),
        usage: usageOf(usage, request, content.text.length + reasoning.text.length, toolCalls),
        model: cleanText(model),
      };
    },
  };
}

function invalid(message: string, cause?: unknown): ModelError {
  return new ModelError('invalid', { code: 'upstream_invalid_response', message: `${message}.`, cause });
}

function parseChunk(data: string): Json {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch (error) {
    throw invalid('The model server sent something that is not JSON; check that UPSTREAM_BASE_URL is an OpenAI-compatible address', error);
  }
  const chunk = asJson(parsed);
  if (!chunk) throw invalid('The model server sent a chunk that is not an object');
  return chunk;
}

function asJson(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

/** Text of a delta: a string, or a list of parts of which some carry text. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value.map((part) => textOf(asJson(part)?.['text'])).join('');
}

/** Cleans a text that comes in pieces: a pair of surrogates cut between two of them stays a pair. */
function cleanGatherer(): { add(piece: string): string; end(): string; readonly text: string } {
  let text = '';
  let held = '';
  const push = (piece: string): string => {
    const cleaned = piece.toWellFormed();
    text += cleaned;
    return cleaned;
  };
  return {
    add(piece) {
      const whole = held + (piece.includes('\u0000') ? piece.replaceAll('\u0000', '') : piece);
      const last = whole.charCodeAt(whole.length - 1);
      held = last >= 0xd800 && last <= 0xdbff ? whole.slice(-1) : '';
      return push(held === '' ? whole : whole.slice(0, -1));
    },
    end() {
      const rest = push(held);
      held = '';
      return rest;
    },
    get text() {
      return text;
    },
  };
}

/** Every call gets an id of its own, since a reply to it has to name it. */
/** Far above what any tool is called: a name is counted by, so it must stay small. */
const NAME_CHARS_MAX = 128;

function finishCalls(drafts: readonly CallDraft[]): ModelToolCall[] {
  const taken = new Set<string>();
  return drafts.map((draft, position) => {
    let id = cleanText(draft.id) || `call_${position}`;
    while (taken.has(id)) id = `${id}_${position}`;
    taken.add(id);
    return { id, name: cleanText(draft.name).slice(0, NAME_CHARS_MAX), arguments: cleanText(draft.arguments) };
  });
}

function finishReasonOf(reason: string | null, callCount: number): ModelFinishReason {
  if (reason === 'length' || reason === 'content_filter') return reason;
  return callCount > 0 ? 'tool_calls' : 'stop';
}

function tokenCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function usageOf(usage: Json | null, request: ModelRequest, textChars: number, calls: readonly ModelToolCall[]): ModelUsage {
  const input = tokenCount(usage?.['prompt_tokens']);
  const output = tokenCount(usage?.['completion_tokens']);
  const cached = tokenCount(asJson(usage?.['prompt_tokens_details'])?.['cached_tokens']) ?? tokenCount(usage?.['prompt_cache_hit_tokens']) ?? 0;
  const callChars = calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
  const inputTokens = input ?? estimateTokens(requestChars(request));
  return {
    inputTokens,
    outputTokens: output ?? estimateTokens(textChars + callChars),
    cachedInputTokens: Math.min(cached, inputTokens),
    estimated: input === null || output === null,
  };
}
