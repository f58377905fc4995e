import { z } from 'zod';
import { RunLimits } from './engine.ts';
import { InputContent, InputImages, RunContent } from './content.ts';
import { queryInteger } from './query-integer.ts';
import { SealedTool, Tool } from './tool.ts';

/** Every state of a run on the wire; the last four are terminal. */
export const RUN_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled', 'timed_out'] as const;
export const RunStatus = z.enum(RUN_STATUSES).meta({ id: 'RunStatus' });
export type RunStatus = z.infer<typeof RunStatus>;

/** True for the states that never change. */
export function isTerminal(status: RunStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled' || status === 'timed_out';
}

/** How `result.answer` is given when the run has an `answerFormat`: parsed, or as a JSON text. */
export const AnswerEncoding = z.enum(['object', 'string']);
export type AnswerEncoding = z.infer<typeof AnswerEncoding>;

const JsonObject = z.record(z.string(), z.unknown());
const CallbackUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2048, { error: 'must be at most 2048 characters' });

const notHere = (what: string) => z.unknown().refine((value) => value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0), { error: `this server has no ${what}` }).optional();

const RunInput = z.object({
  instructions: z.string().min(1).describe('What the agent has to do.'),
  tools: z.array(Tool).max(128).nullish().transform((tools) => tools ?? []),
  answerFormat: JsonObject.nullish().describe('JSON Schema of the answer.'),
  metadata: JsonObject.nullish().describe('Comes back in the webhook.'),
  content: InputContent.nullish().describe('Text and images besides the instructions; images for engines that take them.'),
  images: InputImages.nullish().describe('Images as URLs or `data:` URIs; the same as image blocks at the end of `content`.'),
  skills: notHere('skills'),
  agentId: notHere('agents'),
  resources: notHere('resources'),
});

const RunOptions = z.object({
  timeout: z.number().int().min(1).max(3600).nullish().describe('Seconds from the first turn; default 3600.'),
  max_step_tokens: z.number().int().min(256).max(20000).nullish().describe('Output tokens of one model turn.'),
});

/** Body of POST /v1/runs. Unknown keys are ignored, and null is as good as absent where a field may be left out. */
export const CreateRun = z
  .object({
    engine: z.string().min(1).max(128),
    input: RunInput,
    output: z.object({ callbackUrl: CallbackUrl.nullish(), responseContent: z.enum(['full', 'answer_only']).nullish() }).nullish(),
    options: RunOptions.nullish(),
  })
  .meta({ id: 'CreateRun' });
export type CreateRun = z.infer<typeof CreateRun>;

/** What the run does, as it is stored and given to the engine: validated, and with sealed tools. */
export const RunRequest = z
  .object({
    instructions: z.string(),
    content: z.array(RunContent).optional(),
    tools: z.array(SealedTool),
    answerFormat: JsonObject.optional(),
    maxStepTokens: z.number().int().optional(),
    limits: RunLimits.optional().describe('What the API key allows.'),
    answerOnly: z.boolean().optional().describe('Nothing of the reasoning is shown.'),
    egressAllow: z.array(z.string()).optional().describe('CIDRs that the organisation may reach besides the operator’s.'),
  })
  .meta({ id: 'RunRequest' });
export type RunRequest = z.infer<typeof RunRequest>;

/** Reply of POST /v1/runs. */
export const RunAccepted = z.object({ runId: z.string(), status: z.literal('queued') }).meta({ id: 'RunAccepted' });
export type RunAccepted = z.infer<typeof RunAccepted>;

/** One step of the agent. */
export const Task: z.ZodType<Task> = z
  .object({
    title: z.string().optional(),
    thought: z.string().optional(),
    tooluse: z.object({ tool_name: z.string(), tool_call_id: z.string().optional(), parameters: JsonObject, tool_result: z.unknown().optional() }).optional(),
    get subtasks() {
      return z.array(Task).optional();
    },
    conclusion: z.string().optional(),
  })
  .meta({ id: 'Task' });
export interface Task {
  title?: string | undefined;
  thought?: string | undefined;
  tooluse?: { tool_name: string; tool_call_id?: string | undefined; parameters: Record<string, unknown>; tool_result?: unknown } | undefined;
  subtasks?: Task[] | undefined;
  conclusion?: string | undefined;
}

/** What a run found. `reasoning` is absent with `responseContent: "answer_only"`. */
export const RunResult = z.object({ answer: z.unknown(), reasoning: z.array(Task).optional() }).meta({ id: 'RunResult' });
export type RunResult = z.infer<typeof RunResult>;

/** Tokens and tool calls a run has used. */
export const StepUsage = z.object({
  inputTokens: z.number().int().nonnegative(),
  outputTokens: z.number().int().nonnegative(),
  cachedInputTokens: z.number().int().nonnegative(),
  toolCalls: z.record(z.string(), z.number().int().nonnegative()),
});
export type StepUsage = z.infer<typeof StepUsage>;

/** A run's usage on the wire; `durationMs` from its first turn to its end. */
export const RunUsage = z
  .object({ inputTokens: z.number().int(), outputTokens: z.number().int(), durationMs: z.number().int(), toolCalls: z.record(z.string(), z.number().int()) })
  .meta({ id: 'RunUsage' });
export type RunUsage = z.infer<typeof RunUsage>;

/** Why a run failed. `code` is stable; `message` says what to do. */
export const RunError = z.object({ code: z.string(), message: z.string(), details: JsonObject.optional() }).meta({ id: 'RunError' });
export type RunError = z.infer<typeof RunError>;

/** A run as clients see it. Absent fields are omitted, never null. */
export const RunView = z
  .object({
    runId: z.string(),
    status: RunStatus,
    engine: z.string(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    startedAt: z.iso.datetime().optional(),
    completedAt: z.iso.datetime().optional(),
    result: RunResult.optional(),
    usage: RunUsage.optional(),
    error: RunError.optional(),
    metadata: JsonObject.optional(),
    traceId: z.string().optional(),
  })
  .meta({ id: 'Run' });
export type RunView = z.infer<typeof RunView>;

/** Query of GET /v1/runs. */
export const ListRuns = z.object({ limit: queryInteger(1, 100).default(50), cursor: z.string().max(256).optional() });
export type ListRuns = z.infer<typeof ListRuns>;

/** Query of GET /v1/runs/{runId}/wait. */
export const WaitRun = z.object({
  timeout: queryInteger(0, 60).default(30).describe('Seconds; 30 by default.'),
});
export type WaitRun = z.infer<typeof WaitRun>;

/** Reply of GET /v1/runs: newest first; `nextCursor` is null on the last page. */
export const RunList = z
  .object({ runs: z.array(RunView.pick({ runId: true, status: true, engine: true, createdAt: true, updatedAt: true })), nextCursor: z.string().nullable() })
  .meta({ id: 'RunList' });
export type RunList = z.infer<typeof RunList>;
