import type { ReasoningEffort } from '@nightshift/contracts';

/** One part of a user message that is more than text, as OpenAI-compatible servers take it. */
export type ModelContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string; readonly detail?: string } };

/** A tool call inside an assistant message, in the wire's own spelling. */
export interface ModelWireCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A message of a chat, in the wire's own spelling. */
export type ModelMessage =
  | { readonly role: 'system'; readonly content: string }
  | { readonly role: 'user'; readonly content: string | readonly ModelContentPart[] }
  | { readonly role: 'assistant'; readonly content: string | null; readonly tool_calls?: readonly ModelWireCall[] }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string };

/** A tool the model may call; `parameters` is a JSON schema of an object. */
export interface ModelTool {
  readonly name: string;
  readonly description?: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export type ModelResponseFormat =
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema';
      readonly json_schema: { readonly name: string; readonly schema: Readonly<Record<string, unknown>>; readonly strict?: boolean };
    };

export interface ModelRequest {
  readonly model: string;
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly ModelTool[];
  /** Upper bound of the reply's tokens, reasoning included. */
  readonly maxTokens?: number;
  /** The same for upstreams that have to be told one, when `maxTokens` is not given. */
  readonly outputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  /** Texts that end the reply. */
  readonly stop?: readonly string[];
  /** `name`: this tool has to be called. */
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string };
  readonly reasoningEffort?: ReasoningEffort;
  readonly responseFormat?: ModelResponseFormat;
}

/** A tool call the model asked for; `arguments` is the JSON text as it was sent, which may be broken. */
export interface ModelToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

export type TokenKind = 'input' | 'output';

export interface ModelUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Part of `inputTokens` that the upstream served from its cache. */
  readonly cachedInputTokens: number;
  /** Counts that the upstream did not report: they are estimated. */
  readonly estimated: readonly TokenKind[];
}

export type ModelFinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export interface ModelReply {
  readonly content: string;
  readonly reasoning?: string;
  readonly toolCalls: readonly ModelToolCall[];
  readonly finishReason: ModelFinishReason;
  readonly usage: ModelUsage;
  /** The model that answered, as the upstream calls it. */
  readonly model: string;
}

/** A piece of the reply, cleaned, in the order it arrived: text, or the arguments of its first call. */
export type ModelDelta = { readonly kind: 'content' | 'reasoning'; readonly text: string } | { readonly kind: 'call'; readonly name: string; readonly text: string };

/** Characters in one token, for counts that nobody reported. */
const CHARS_PER_TOKEN = 4;

/** Tokens of that many characters when nothing better is known, rounded up. */
export function estimateTokens(chars: number): number {
  return Math.ceil(chars / CHARS_PER_TOKEN);
}

/** Tokens of a text when nothing better is known: four ASCII characters make one, a character of three bytes is one. */
export function textTokens(text: string): number {
  return Math.ceil((text.length + 1.5 * (Buffer.byteLength(text) - text.length)) / CHARS_PER_TOKEN);
}

/** Characters of everything in a request that a model reads. */
export function requestChars(request: ModelRequest): number {
  let chars = request.tools.length > 0 ? JSON.stringify(request.tools).length : 0;
  for (const message of request.messages) {
    if (typeof message.content === 'string') chars += message.content.length;
    else for (const part of message.content ?? []) chars += part.type === 'text' ? part.text.length : 0;
    if (message.role !== 'assistant') continue;
    for (const call of message.tool_calls ?? []) chars += call.function.name.length + call.function.arguments.length;
  }
  return chars;
}

/** The body of a chat-completions request that asks for a stream with usage. */
export function chatRequestBody(request: ModelRequest): string {
  const hasTools = request.tools.length > 0;
  return JSON.stringify({
    model: request.model,
    messages: request.messages,
    stream: true,
    stream_options: { include_usage: true },
    tools: hasTools ? request.tools.map((tool) => ({ type: 'function', function: tool })) : undefined,
    tool_choice: hasTools ? (typeof request.toolChoice === 'object' ? { type: 'function', function: request.toolChoice } : request.toolChoice) : undefined,
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop,
    reasoning_effort: request.reasoningEffort,
    response_format: request.responseFormat,
  });
}
