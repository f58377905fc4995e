import { z } from 'zod';
import { RunError, RunResult, StepUsage } from '../http/run.ts';

/** How a session ended, as the engine saw it. */
export const RunOutcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('succeeded'), result: RunResult }),
  z.object({ status: z.literal('failed'), error: RunError, result: RunResult.optional() }),
]);
export type RunOutcome = z.infer<typeof RunOutcome>;

const started = z.object({ kind: z.literal('started'), runId: z.string(), step: z.number().int() });
const startedAt = z.iso.datetime().optional().describe('When its first turn began: this may arrive before `started` does.');
const ended = z.object({
  kind: z.literal('outcome'),
  runId: z.string(),
  step: z.number().int(),
  usage: StepUsage,
  startedAt,
  outcome: RunOutcome.optional().describe('Absent when larger than 64 KiB: ask engine-orchestrator for it.'),
});
const stopped = z.object({ kind: z.literal('stopped'), runId: z.string(), step: z.number().int(), usage: StepUsage, startedAt });

/**
 * What the engine tells runs about a session. Sent by engine-orchestrator, received by runs.
 * Only the state machine of runs decides what it means; repeated and late ones change nothing.
 */
export const RunProgressed = z.discriminatedUnion('kind', [started, ended, stopped]);
export type RunProgressed = z.infer<typeof RunProgressed>;
