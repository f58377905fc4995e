import { z } from 'zod';
import { ChatCompletion, ChatRequest } from './chat.ts';
import { readTool } from './tool.ts';

const TextPart = z.object({ type: z.literal('text'), text: z.string() });
const ImagePart = z.object({ type: z.literal('image_url'), image_url: z.preprocess((image) => (typeof image === 'string' ? { url: image } : image), z.object({ url: z.string() })) });
const ChatPart = z.discriminatedUnion('type', [TextPart, ImagePart], { error: 'must be a text or image_url part' });
export type ChatPart = z.infer<typeof ChatPart>;

/** A text is as good as the list of its one part. */
const parts = <P extends z.ZodType>(part: P) => z.preprocess((content) => (typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? [])), z.array(part, { error: 'must be a text or a list of parts' }));

const ToolCall = z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) });

const ChatMessage = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.enum(['system', 'developer']), content: parts(TextPart) }),
    z.object({ role: z.literal('user'), content: parts(ChatPart) }),
    z.object({ role: z.literal('assistant'), content: parts(TextPart), tool_calls: z.array(ToolCall).nullish() }),
    z.object({ role: z.literal('tool'), content: parts(TextPart), tool_call_id: z.string() }),
  ],
  { error: 'must be system, developer, user, assistant or tool' },
);
export type ChatMessage = z.infer<typeof ChatMessage>;

const AgentTool = z.unknown().superRefine((raw, ctx) => {
  const tool = readTool(raw) as { type?: unknown; url?: unknown } | null | undefined;
  if (tool?.type !== 'function' || tool.url !== undefined) return;
  ctx.addIssue({ code: 'custom', path: ['url'], message: 'engines call their tools themselves, so a function needs the "url" that it is called at; tools that your program calls work with models whose id has a "/"' });
});

const AnswerFormat = z.discriminatedUnion(
  'type',
  [z.object({ type: z.literal('text') }), z.object({ type: z.literal('json_object') }), z.object({ type: z.literal('json_schema'), json_schema: z.object({ schema: z.record(z.string(), z.unknown()) }) })],
  { error: 'must be text, json_object or json_schema' },
);

/** A chat request to an engine of the catalogue, as far as an agent heeds it. */
export const AgentChat = z.object({
  model: z.string(),
  messages: z
    .array(ChatMessage)
    .refine((messages) => messages.findLast(({ role }) => role !== 'system' && role !== 'developer')?.role === 'user', { error: 'must end with a message of the user, which says what the engine is to do' })
    .refine((messages) => messages.some(({ content }) => content.some((part) => part.type === 'text' && part.text.trim() !== '')), { error: 'must say in words what the engine is to do' }),
  tools: z.array(AgentTool).nullish(),
  tool_choice: z.enum(['auto', 'none'], { error: 'engines choose their tools themselves: "auto" and "none" are all they can be told' }).nullish(),
  response_format: AnswerFormat.nullish(),
  max_tokens: z.int().positive().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
  n: z.literal(1, { error: 'engines give one answer' }).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  callbackUrl: z.string().nullish(),
});
export type AgentChat = z.infer<typeof AgentChat>;

/** Body of POST /v1/chat/completions/async. */
export const AsyncChatRequest = ChatRequest.extend({ callbackUrl: z.string().nullish().describe('Told when the request ends, see webhooks.') }).meta({ id: 'AsyncChatRequest' });
export type AsyncChatRequest = z.infer<typeof AsyncChatRequest>;

/** Reply of POST /v1/chat/completions/async. */
export const RequestAccepted = z
  .object({
    requestId: z.string().describe('The id of the run.'),
    request_id: z.string(),
    jobId: z.string(),
    status: z.literal('pending'),
    estimatedCompletionTime: z.iso.datetime().describe('A guess: now, and what the median of the engine’s latest runs took; a minute where there were none.'),
  })
  .meta({ id: 'RequestAccepted' });
export type RequestAccepted = z.infer<typeof RequestAccepted>;

/** A run as the requests surface shows it. */
export const RequestView = z
  .object({
    requestId: z.string(),
    jobId: z.string(),
    status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']),
    model: z.string(),
    engine: z.string(),
    result: ChatCompletion.nullable().describe('Null unless the request is completed.'),
    error: z.object({ code: z.string(), message: z.string() }).nullable().describe('Null unless it has failed.'),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    completedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Request' });
export type RequestView = z.infer<typeof RequestView>;

/** Reply of GET /v1/requests: newest first; `nextCursor` is null on the last page. */
export const RequestList = z
  .object({ requests: z.array(RequestView.pick({ requestId: true, jobId: true, status: true, model: true, engine: true, createdAt: true, updatedAt: true })), nextCursor: z.string().nullable() })
  .meta({ id: 'RequestList' });
export type RequestList = z.infer<typeof RequestList>;
