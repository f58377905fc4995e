import { z } from 'zod';
import { StepUsage } from '../http/run.ts';

/**
 * What one model turn used, with the tool calls it asked for. Sent by engine-orchestrator in the turn's own commit,
 * received by billing, which counts each (run, step) once. Of a plain model call `runId` is the completion's id, and `step` 0.
 */
export const UsageRecorded = StepUsage.extend({
  runId: z.string(),
  step: z.number().int().nonnegative(),
  orgId: z.string(),
  apiKeyId: z.string(),
  engine: z.string(),
  costMicroUsd: z.number().int().nonnegative(),
  estimated: z.boolean().optional().describe('True when the upstream did not report all of its tokens.'),
  recordedAt: z.iso.datetime(),
});
export type UsageRecorded = z.infer<typeof UsageRecorded>;
