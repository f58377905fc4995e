import { z } from 'zod';
import { RunLimits } from './engine.ts';

const Count = z.int().positive().nullish();

/** A tool that the caller itself calls. */
const ClientTool = z.looseObject({ type: z.string(), function: z.looseObject({ name: z.string().min(1), description: z.string().nullish(), parameters: z.record(z.string(), z.unknown()).nullish() }).optional() });

const ToolChoice = z.union([z.enum(['auto', 'none', 'required']), z.looseObject({ type: z.string() })]);

const ResponseFormat = z.looseObject({ type: z.string().describe('`text`, `json_object` or `json_schema`.') });

/** What both surfaces of plain model calls take. Parameters that are not named here are passed on as they are; `null` is as good as absent. */
const Sampling = z.looseObject({
  model: z.string().min(1).max(256).describe('An id with a `/` or a configured model of an upstream: a plain model call.'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: Count,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  n: z.int().min(1).max(128).nullish(),
  seed: z.int().nullish(),
});

/** Body of POST /v1/chat/completions. */
export const ChatRequest = Sampling.extend({
  messages: z
    .array(z.looseObject({ role: z.string().min(1), content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).nullish() }))
    .min(1)
    .describe('Roles are `system`, `developer`, `user`, `assistant` and `tool`; content is a text, or parts.'),
  max_completion_tokens: Count,
  response_format: ResponseFormat.nullish(),
  tools: z.array(ClientTool).max(128).nullish(),
  tool_choice: ToolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_effort: z.string().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
}).meta({ id: 'ChatRequest' });
export type ChatRequest = z.infer<typeof ChatRequest>;

/** Body of POST /v1/completions. */
export const CompletionRequest = Sampling.extend({
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(32)], { error: 'must be a text or a list of texts; lists of tokens are not supported' }),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
}).meta({ id: 'CompletionRequest' });
export type CompletionRequest = z.infer<typeof CompletionRequest>;

const Usage = z.looseObject({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() });

/** Reply of POST /v1/chat/completions, for the API document: what the model's server adds is passed on. With `stream` it is chunks of it as server-sent events. */
export const ChatCompletion = z
  .looseObject({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string().describe('The id that was sent.'),
    choices: z.array(z.looseObject({ index: z.int(), message: z.looseObject({ role: z.literal('assistant'), content: z.string().nullable() }), finish_reason: z.string().nullable() })),
    usage: Usage.optional(),
  })
  .meta({ id: 'ChatCompletion' });
export type ChatCompletion = z.infer<typeof ChatCompletion>;

/** Reply of POST /v1/completions, for the API document. */
export const TextCompletion = z
  .looseObject({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(z.looseObject({ index: z.int(), text: z.string(), finish_reason: z.string().nullable() })),
    usage: Usage.optional(),
  })
  .meta({ id: 'TextCompletion' });

/** gateway → engine-orchestrator: a plain model call. Its answer is that of the public route, or an error's envelope without `requestId`. */
export const InternalChat = z.object({
  /** Of the completion: what it is counted by, so it is counted once however often it is sent. */
  callId: z.string(),
  orgId: z.string(),
  apiKeyId: z.string(),
  pool: z.string(),
  /** Bounds of the caller's key. */
  limits: RunLimits.optional(),
  request: ChatRequest,
});
export type InternalChat = z.infer<typeof InternalChat>;
