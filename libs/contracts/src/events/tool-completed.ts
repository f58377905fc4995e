import { z } from 'zod';

/** The most text of one tool result that reaches the model, in bytes of JSON; the rest is cut with a marker. */
export const TOOL_RESULT_BYTES_MAX = 256 * 1024;

/** The most that the images of one tool result take, in bytes of base64; what is more is left out. They come on top of the text. */
export const TOOL_IMAGE_BYTES_MAX = 3 * 1024 * 1024;

/** What a tool answered: always for the model, never by itself a failure of the run. */
export const ToolResult = z.object({
  isError: z.boolean(),
  content: z.unknown().describe('Any JSON value.'),
  format: z.literal('tool_response').optional().describe('`tool_response`: `content` is a ToolResponse, whose blocks the model is shown one by one.'),
  errorCode: z.string().optional().describe('Stable: timeout, http_status, outcome_unknown, not_available, …'),
});
export type ToolResult = z.infer<typeof ToolResult>;

/** Sent by tool-executor, received by engine-orchestrator. Deduplicated by the journal's primary key (run, step, call). */
export const ToolCompleted = z.object({
  callId: z.string(),
  runId: z.string(),
  pool: z.string(),
  step: z.number().int(),
  result: ToolResult.optional().describe('Absent when larger than 64 KiB: ask tool-executor for it.'),
});
export type ToolCompleted = z.infer<typeof ToolCompleted>;
