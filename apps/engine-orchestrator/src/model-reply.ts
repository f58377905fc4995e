import { cleanJson } from '@nightshift/std';
import { reportedError } from './model-error.ts';
import type { ModelDelta, ModelReply, ModelRequest } from './model.ts';
import { type CallDraft, cutReply, invalidReply, ReplyDraft } from './reply-draft.ts';

type Json = Readonly<Record<string, unknown>>;

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
  const draft = new ReplyDraft(request, onDelta);
  const callAt = new Map<number, CallDraft>();
  let firstCall: CallDraft | undefined;
  let model = request.model;
  let usage: Json | null = null;
  let finishReason: string | null = null;
  let hasChoice = false;
  let isDone = false;

  /** Some servers leave `index` out, or send several calls under index 0: a new id under a used index is a new call. */
  const draftFor = (part: Json, position: number): CallDraft => {
    const index = typeof part['index'] === 'number' ? part['index'] : position;
    const id = typeof part['id'] === 'string' ? part['id'] : '';
    const known = callAt.get(index);
    if (known && (id === '' || known.id === '' || known.id === id)) return known;
    const added = draft.addCall();
    firstCall ??= added;
    callAt.set(index, added);
    return added;
  };

  const addCall = (part: Json, position: number): void => {
    const call = draftFor(part, position);
    if (typeof part['id'] === 'string' && call.id === '') draft.count((call.id = part['id']));
    const called = asJson(part['function']);
    const name = called?.['name'];
    const sent = called?.['arguments'];
    if (typeof name === 'string' && name !== call.name) {
      draft.count(name);
      call.name += name;
    }
    const text = typeof sent === 'string' ? sent : sent === undefined || sent === null ? '' : JSON.stringify(cleanJson(sent));
    draft.count(text);
    call.arguments += text;
    if (call === firstCall) draft.announce(call.name, text);
  };

  const addChoice = (choice: Json): void => {
    hasChoice = true;
    const delta = asJson(choice['delta']) ?? asJson(choice['message']);
    if (delta) {
      draft.addText('reasoning', textOf(delta['reasoning_content'] ?? delta['reasoning']));
      draft.addText('content', textOf(delta['content']));
      draft.addText('content', textOf(delta['refusal']));
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
      if (!isDone && finishReason === null) throw cutReply();
      if (!hasChoice) throw invalidReply('The model server sent no reply');
      return draft.finish({
        finishReason,
        inputTokens: tokenCount(usage?.['prompt_tokens']),
        outputTokens: tokenCount(usage?.['completion_tokens']),
        cachedInputTokens: tokenCount(asJson(usage?.['prompt_tokens_details'])?.['cached_tokens']) ?? tokenCount(usage?.['prompt_cache_hit_tokens']),
        model,
      });
    },
  };
}

function parseChunk(data: string): Json {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch (error) {
    throw invalidReply('The model server sent something that is not JSON; check that UPSTREAM_BASE_URL is an OpenAI-compatible address', error);
  }
  const chunk = asJson(parsed);
  if (!chunk) throw invalidReply('The model server sent a chunk that is not an object');
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

function tokenCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
