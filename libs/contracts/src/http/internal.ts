import { z } from 'zod';
import { RunFinished } from '../events/run-finished.ts';
import { RunOutcome } from '../events/run-progressed.ts';
import { ToolResult } from '../events/tool-completed.ts';
import { UsageRecorded } from '../events/usage-recorded.ts';
import { AnswerEncoding, RunRequest } from './run.ts';
import { SealedTool } from './tool.ts';

/** gateway → runs: create a run. */
export const InternalCreateRun = z.object({
  runId: z.string(),
  orgId: z.string(),
  apiKeyId: z.string(),
  pool: z.string(),
  engine: z.string(),
  request: RunRequest,
  timeoutMs: z.number().int(),
  callbackUrl: z.string().optional(),
  responseContent: z.enum(['full', 'answer_only']),
  answerEncoding: AnswerEncoding,
  metadata: z.record(z.string(), z.unknown()).optional(),
  traceparent: z.string(),
  idempotency: z.object({ route: z.string(), key: z.string(), bodyHash: z.string() }).optional(),
});
export type InternalCreateRun = z.infer<typeof InternalCreateRun>;

/** runs → gateway: the run that stands for this request; `replayed` when an earlier request with the same key made it. */
export const InternalRunCreated = z.object({ runId: z.string(), replayed: z.boolean() });
export type InternalRunCreated = z.infer<typeof InternalRunCreated>;

/** gateway → runs: is there a run that an idempotency key has made already? */
export const InternalReplay = z.object({ orgId: z.string(), idempotency: InternalCreateRun.shape.idempotency.unwrap() });
export type InternalReplay = z.infer<typeof InternalReplay>;

/** runs → gateway: that run; null if the key is free. */
export const InternalReplayed = z.object({ runId: z.string().nullable() });
export type InternalReplayed = z.infer<typeof InternalReplayed>;

/** Query of runs read on behalf of an organisation. `answerEncoding` changes this reply alone. */
export const OrgScope = z.object({ orgId: z.string(), answerEncoding: AnswerEncoding.optional() });
export type OrgScope = z.infer<typeof OrgScope>;

/** gateway ↔ runs: runs that somebody waits for; those of them that have ended. */
export const InternalRunIds = z.object({ runIds: z.array(z.string()).max(1000) });
export type InternalRunIds = z.infer<typeof InternalRunIds>;

/** runs → gateway: how long runs of each engine took lately from their creation to their end. */
export const InternalDurations = z.object({ medianMs: z.record(z.string(), z.number()) });
export type InternalDurations = z.infer<typeof InternalDurations>;

/** gateway → runs: which engines these runs named, in that order; null where the organisation has no such run. */
export const InternalRunsAsked = z.object({ asked: z.array(OrgScope.pick({ orgId: true }).extend({ runId: z.string() })) });
export type InternalRunsAsked = z.infer<typeof InternalRunsAsked>;
export const InternalRunEngines = z.object({ engines: z.array(z.string().nullable()) });
export type InternalRunEngines = z.infer<typeof InternalRunEngines>;

/** runs → engine-orchestrator: the request of a run whose event was too large to carry it. */
export const InternalRunRequest = z.object({ request: RunRequest });

/** engine-orchestrator → runs: the outcome of a session whose event was too large to carry it. */
export const InternalOutcome = z.object({ outcome: RunOutcome });

/** engine-orchestrator → tool-executor: one call whose event was too large to carry it. */
export const InternalCall = z.object({ tool: SealedTool, arguments: z.record(z.string(), z.unknown()) });

/** tool-executor → engine-orchestrator: a result whose event was too large to carry it. */
export const InternalToolResult = z.object({ result: ToolResult });

/** Pages of what a producer has announced lately, for consumers that may have missed it. */
export const CatchUpQuery = z.object({ sinceMs: z.coerce.number().int().positive(), cursor: z.string().optional() });
export type CatchUpQuery = z.infer<typeof CatchUpQuery>;
/** An announcement with the trace context that its message would have had. */
export const MissedFinish = RunFinished.extend({ traceparent: z.string().optional() });
export type MissedFinish = z.infer<typeof MissedFinish>;
export const FinishedPage = z.object({ events: z.array(MissedFinish), nextCursor: z.string().nullable() });
export const UsagePage = z.object({ events: z.array(UsageRecorded), nextCursor: z.string().nullable() });

/** Reply of GET /ready. */
export const Readiness = z.object({ status: z.enum(['ready', 'degraded', 'unready']), missing: z.array(z.string()).optional(), reasons: z.array(z.string()).optional() }).meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof Readiness>;
