import { ReasoningEffort } from '@nightshift/contracts';
import { asJson, asList, type Json } from './chat-wire.ts';
import { ModelError } from './model-error.ts';
import type { ModelContentPart, ModelDelta, ModelMessage, ModelReply, ModelRequest, ModelResponseFormat, ModelTool, ModelToolCall } from './model.ts';

/** A chat-completions request for an upstream of another wire. Throws a `ModelError` on what that cannot say; parameters that it does not know are left out. */
export function modelRequestOf(body: Json): ModelRequest {
  if (Number(body['n'] ?? 1) !== 1) throw unsupported('n', 'this model gives one choice');
  const { temperature, top_p: topP, stop } = body;
  const maxTokens = body['max_completion_tokens'] ?? body['max_tokens'];
  const effort = ReasoningEffort.safeParse(body['reasoning_effort']);
  const stops = typeof stop === 'string' ? [stop] : asList(stop).filter((text) => typeof text === 'string');
  const toolChoice = toolChoiceOf(body['tool_choice']);
  const responseFormat = formatOf(body['response_format']);
  return {
    model: String(body['model']),
    messages: asList(body['messages']).map((message, at) => messageOf(asJson(message) ?? {}, at)),
    tools: asList(body['tools']).map(toolOf),
    ...(typeof maxTokens === 'number' && { maxTokens }),
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof topP === 'number' && { topP }),
    ...(stops.length > 0 && { stop: stops }),
    ...(toolChoice !== undefined && { toolChoice }),
    ...(effort.success && { reasoningEffort: effort.data }),
    ...(responseFormat && { responseFormat }),
  };
}

function messageOf(message: Json, at: number): ModelMessage {
  const { role, content } = message;
  switch (role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: textOf(content) };
    case 'user':
      return { role: 'user', content: typeof content === 'string' ? content : asList(content).map((part, index) => partOf(asJson(part) ?? {}, `messages.${at}.content.${index}`)) };
    case 'assistant': {
      const calls = asList(message['tool_calls']).map((call) => {
        const { id, function: called } = asJson(call) ?? {};
        const { name, arguments: args } = asJson(called) ?? {};
        return { id: String(id ?? ''), type: 'function' as const, function: { name: String(name ?? ''), arguments: String(args ?? '') } };
      });
      return { role: 'assistant', content: textOf(content), ...(calls.length > 0 && { tool_calls: calls }) };
    }
    case 'tool':
      return { role: 'tool', tool_call_id: String(message['tool_call_id'] ?? ''), content: textOf(content) };
    default:
      throw unsupported(`messages.${at}.role`, 'must be system, developer, user, assistant or tool');
  }
}

function partOf({ type, text, image_url: image }: Json, param: string): ModelContentPart {
  if (type === 'text' && typeof text === 'string') return { type, text };
  const url = asJson(image)?.['url'];
  if (type === 'image_url' && typeof url === 'string' && URL.canParse(url)) return { type, image_url: { url } };
  throw unsupported(param, 'this model takes parts of the types text and image_url');
}

/** A text, or the texts of parts one after the other. */
function textOf(content: unknown): string {
  return typeof content === 'string' ? content : asList(content).map((part) => String(asJson(part)?.['text'] ?? '')).join('');
}

function toolOf(tool: unknown, at: number): ModelTool {
  const { type, function: called } = asJson(tool) ?? {};
  const { name, description, parameters } = asJson(called) ?? {};
  if (type !== 'function' || typeof name !== 'string') throw unsupported(`tools.${at}`, 'this model takes function tools');
  return { name, ...(typeof description === 'string' && { description }), parameters: asJson(parameters) ?? { type: 'object', properties: {} } };
}

function toolChoiceOf(choice: unknown): ModelRequest['toolChoice'] {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  const name = asJson(asJson(choice)?.['function'])?.['name'];
  return typeof name === 'string' ? { name } : undefined;
}

function formatOf(format: unknown): ModelResponseFormat | undefined {
  const { type, json_schema: given } = asJson(format) ?? {};
  if (type === 'json_object') return { type };
  const { name, schema } = asJson(given) ?? {};
  return type === 'json_schema' && asJson(schema) ? { type, json_schema: { name: String(name ?? 'answer'), schema: asJson(schema) ?? {} } } : undefined;
}

function unsupported(param: string, problem: string): ModelError {
  const message = `${param}: ${problem}`;
  return new ModelError('rejected', { code: 'upstream_rejected', message, said: { message, param, code: 'invalid_request', type: 'invalid_request_error' } });
}

/** A reply as a whole completion; `created` is in seconds. */
export function completionOf(reply: ModelReply, created: number): Json {
  const { content, reasoning, toolCalls, finishReason } = reply;
  const message = { role: 'assistant', content: content === '' && toolCalls.length > 0 ? null : content, ...(reasoning && { reasoning_content: reasoning }), ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(wireCall) }) };
  return { object: 'chat.completion', created, choices: [{ index: 0, message, finish_reason: finishReason, logprobs: null }], ...usageOf(reply) };
}

/** The first chunk of a stream: it alone says who speaks, since clients put together what chunks say. */
export function firstChunk(created: number): Json {
  return chunk(created, { role: 'assistant', content: '' }, null);
}

/** A piece of a reply's text as a chunk. */
export function deltaChunk({ kind, text }: ModelDelta, created: number): Json {
  return chunk(created, kind === 'content' ? { content: text } : { reasoning_content: text }, null);
}

/** What a stream ends with: the tool calls, why it ended, and the usage. */
export function lastChunks(reply: ModelReply, created: number): Json[] {
  const { toolCalls, finishReason } = reply;
  const calls = toolCalls.length > 0 ? [chunk(created, { tool_calls: toolCalls.map((call, index) => ({ index, ...wireCall(call) })) }, null)] : [];
  return [...calls, chunk(created, {}, finishReason), { object: 'chat.completion.chunk', created, choices: [], ...usageOf(reply) }];
}

function chunk(created: number, delta: Json, finishReason: string | null): Json {
  return { object: 'chat.completion.chunk', created, choices: [{ index: 0, delta, finish_reason: finishReason, logprobs: null }] };
}

function wireCall({ id, name, arguments: args }: ModelToolCall): Json {
  return { id, type: 'function', function: { name, arguments: args } };
}

/** What was not reported is left out: it is counted elsewhere. */
function usageOf({ usage: { inputTokens, outputTokens, cachedInputTokens, estimated } }: ModelReply): Json {
  if (estimated.length > 0) return {};
  return { usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens, prompt_tokens_details: { cached_tokens: cachedInputTokens } } };
}
