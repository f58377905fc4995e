import type { LanguageModelV4CallOptions, LanguageModelV4FilePart, LanguageModelV4FunctionTool, LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4TextPart, SharedV4ProviderOptions } from '@ai-sdk/provider';
import type { ModelContentPart, ModelMessage, ModelRequest, ModelTool } from './model.ts';
import { parseToolArguments } from './tool-arguments.ts';

const CACHED: SharedV4ProviderOptions = { anthropic: { cacheControl: { type: 'ephemeral' } } };
/** Names and ids may have nothing else on this wire; those of another upstream's turns can. */
const FORBIDDEN = /[^a-zA-Z0-9_-]/g;
const NAME_CHARS_MAX = 128;

/** A request as the AI SDK's language models take it. */
export function callOptionsOf(request: ModelRequest): LanguageModelV4CallOptions {
  const { tools, toolChoice, responseFormat, temperature, topP, stop } = request;
  const maxOutputTokens = request.maxTokens ?? request.outputTokens;
  return {
    prompt: promptOf(request),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(stop !== undefined && { stopSequences: [...stop] }),
    ...(tools.length > 0 && { tools: tools.map(toolOf) }),
    ...(tools.length > 0 && toolChoice !== undefined && { toolChoice: typeof toolChoice === 'string' ? { type: toolChoice } : { type: 'tool', toolName: toolChoice.name } }),
    ...(responseFormat?.type === 'json_schema' && { responseFormat: { type: 'json', name: responseFormat.json_schema.name, schema: responseFormat.json_schema.schema } }),
    ...(request.reasoningEffort !== undefined && { reasoning: request.reasoningEffort }),
    // Tool arguments are read whole; in pieces they would not be checked by the server.
    providerOptions: { anthropic: { toolStreaming: false, structuredOutputMode: 'outputFormat' } },
  };
}

function toolOf({ name, description, parameters }: ModelTool): LanguageModelV4FunctionTool {
  return { type: 'function', name, ...(description !== undefined && { description }), inputSchema: parameters };
}

/**
 * The messages. Where a run has tools more turns will follow: the system prompt, with the tools before it, and all that
 * was said so far are marked for the cache. A run of one turn would only pay for the marking.
 */
function promptOf({ messages, tools }: ModelRequest): LanguageModelV4Prompt {
  const names = new Map<string, string>();
  const prompt = messages.flatMap((message) => messageOf(message, names));
  if (tools.length === 0) return prompt;
  const marked = new Set([prompt.findIndex(({ role }) => role !== 'system') - 1, prompt.length - 1]);
  return prompt.map((message, at) => (marked.has(at) ? { ...message, providerOptions: CACHED } : message));
}

function messageOf(message: ModelMessage, names: Map<string, string>): LanguageModelV4Message[] {
  switch (message.role) {
    case 'system':
      return [message];
    case 'user':
      return [{ role: 'user', content: typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content.map(partOf) }];
    case 'assistant': {
      const text: LanguageModelV4TextPart[] = message.content === null || message.content.trim() === '' ? [] : [{ type: 'text', text: message.content }];
      const calls = (message.tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => {
        const args = parseToolArguments(given);
        names.set(id, allowed(name));
        return { type: 'tool-call' as const, toolCallId: allowed(id), toolName: allowed(name), input: args.ok ? args.value : {} };
      });
      return text.length + calls.length > 0 ? [{ role: 'assistant', content: [...text, ...calls] }] : [];
    }
    case 'tool': {
      const output = { type: 'text' as const, value: message.content };
      return [{ role: 'tool', content: [{ type: 'tool-result', toolCallId: allowed(message.tool_call_id), toolName: names.get(message.tool_call_id) ?? '', output }] }];
    }
  }
}

function partOf(part: ModelContentPart): LanguageModelV4TextPart | LanguageModelV4FilePart {
  if (part.type === 'text') return part;
  const { url } = part.image_url;
  const [, mediaType, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  if (mediaType === undefined || data === undefined) return { type: 'file', mediaType: 'image/*', data: { type: 'url', url: new URL(url) } };
  return { type: 'file', mediaType, data: { type: 'data', data } };
}

function allowed(name: string): string {
  return name.replaceAll(FORBIDDEN, '_').slice(0, NAME_CHARS_MAX) || '_';
}
