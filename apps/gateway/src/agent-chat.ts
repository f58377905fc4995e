import { type AgentChat, AppError, type ChatCompletion, type RunView } from '@nightshift/contracts';
import { taskOf } from './conversation.ts';

/** The bounds of a run's own option. */
const STEP_TOKENS_MIN = 256;
const STEP_TOKENS_MAX = 20_000;

/** The run that a chat request asks for, as the body of POST /v1/runs would; its schema has yet to see it. */
export function runOf(chat: AgentChat): object {
  const { model, messages, tools, tool_choice, response_format, metadata, callbackUrl } = chat;
  const tokens = chat.max_completion_tokens ?? chat.max_tokens;
  const answerFormat = formatOf(response_format);
  return {
    engine: model,
    input: { ...taskOf(messages), tools: tool_choice === 'none' ? [] : (tools ?? []), ...(answerFormat && { answerFormat }), ...(metadata && { metadata }) },
    ...(callbackUrl && { output: { callbackUrl } }),
    ...(typeof tokens === 'number' && { options: { max_step_tokens: Math.min(STEP_TOKENS_MAX, Math.max(STEP_TOKENS_MIN, tokens)) } }),
  };
}

function formatOf(format: AgentChat['response_format']): Record<string, unknown> | undefined {
  if (format?.type === 'json_schema') return format.json_schema.schema;
  return format?.type === 'json_object' ? { type: 'object' } : undefined;
}

/** A run that has succeeded, as a completion: its content is the run's document as JSON text. */
export function completionOf({ runId, engine, createdAt, result, usage }: RunView): ChatCompletion {
  const content = JSON.stringify({ reasoning: result?.reasoning, answer: result?.answer });
  return {
    id: `chatcmpl-${runId}`,
    object: 'chat.completion',
    created: Math.floor(Date.parse(createdAt) / 1000),
    model: engine,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    ...(usage && { usage: { prompt_tokens: usage.inputTokens, completion_tokens: usage.outputTokens, total_tokens: usage.inputTokens + usage.outputTokens } }),
  };
}

/** The error that stands for a run that has not succeeded. */
export function failureOf({ runId, status, error }: RunView): AppError {
  const why = error && { message: error.message, wireCode: error.code };
  switch (status) {
    case 'canceled':
      return new AppError('canceled');
    case 'timed_out':
      return new AppError('timeout', why);
    case 'failed':
      return new AppError('run_failed', why);
    default:
      return new AppError('service_unavailable', { message: `The server is stopping. The run goes on: GET /v1/runs/${runId} shows it.` });
  }
}

const IN_CHAT_TERMS: readonly (readonly [RegExp, string])[] = [
  [/^engine$/, 'model'],
  [/^input\.tools/, 'tools'],
  [/^input\.answerFormat/, 'response_format'],
  [/^input\.(content|instructions).*$/, 'messages'],
  [/^input\.metadata/, 'metadata'],
  [/^output\.callbackUrl/, 'callbackUrl'],
];

/** What is wrong with a run, by the names that the chat request has for it. */
export function inChatTerms(err: unknown): unknown {
  const fields = err instanceof AppError && err.code === 'invalid_request' ? (err.details?.['fields'] as Record<string, string> | undefined) : undefined;
  if (!fields) return err;
  const renamed = Object.entries(fields).map(([field, problem]) => [IN_CHAT_TERMS.reduce((name, [pattern, term]) => name.replace(pattern, term), field), problem] as const);
  return new AppError('invalid_request', { message: renamed.slice(0, 5).map(([field, problem]) => `${field}: ${problem}`).join('; '), details: { fields: Object.fromEntries(renamed) } });
}
