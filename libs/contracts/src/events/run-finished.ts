import { z } from 'zod';
import { RunError, RunResult, RunStatus, StepUsage } from '../http/run.ts';

/** What a webhook says of a run besides the ids: fetched from runs where it did not travel: larger than 64 KiB, or wanted by a subscription alone. */
export const FinishedBody = z.object({
  result: RunResult.nullable(),
  error: RunError.nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
});
export type FinishedBody = z.infer<typeof FinishedBody>;

/**
 * A run has ended; the one voice webhooks and bills follow. Sent by runs, received by webhook-dispatcher and billing.
 * Deduplicated by (run, target) there and by run here.
 */
export const RunFinished = z.object({
  runId: z.string(),
  orgId: z.string(),
  apiKeyId: z.string(),
  engine: z.string(),
  status: RunStatus,
  callbackUrl: z.string().optional(),
  egressAllow: z.array(z.string()).optional().describe('CIDRs that the organisation may reach besides the operator’s.'),
  usage: StepUsage.optional().describe('Absent when the run was stopped before the engine reported it.'),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  completedAt: z.iso.datetime(),
  body: FinishedBody.optional().describe('Present only with a callbackUrl and up to 64 KiB.'),
});
export type RunFinished = z.infer<typeof RunFinished>;
