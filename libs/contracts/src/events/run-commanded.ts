import { z } from 'zod';
import { AnswerEncoding, RunError, RunRequest, RunStatus, RunUsage } from '../http/run.ts';

const start = z.object({
  command: z.literal('start'),
  runId: z.string(),
  orgId: z.string(),
  apiKeyId: z.string(),
  pool: z.string(),
  engine: z.string(),
  request: RunRequest.optional().describe('Absent when larger than 64 KiB: ask runs for it.'),
});

const stop = z.object({
  command: z.literal('stop'),
  runId: z.string(),
  orgId: z.string(),
  apiKeyId: z.string(),
  pool: z.string(),
  engine: z.string(),
  status: RunStatus,
  error: RunError.optional(),
  usage: RunUsage.optional().describe('Absent while the engine has not said what the run used.'),
  answerEncoding: AnswerEncoding.optional(),
  answerOnly: z.boolean().optional(),
});

/**
 * What runs tells the engine. Sent by runs, received by engine-orchestrator.
 * Repeated whenever the engine's answer is overdue; the session's primary key makes that a no-op.
 */
export const RunCommanded = z.discriminatedUnion('command', [start, stop]);
export type RunCommanded = z.infer<typeof RunCommanded>;
export type RunStart = z.infer<typeof start>;
export type RunStop = z.infer<typeof stop>;
