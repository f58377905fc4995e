import { z } from 'zod';
import { SealedTool } from '../http/tool.ts';

const call = z.object({
  command: z.literal('call'),
  callId: z.string(),
  runId: z.string(),
  orgId: z.string(),
  pool: z.string(),
  step: z.number().int().describe('The turn that asked for it.'),
  tool: SealedTool.optional().describe('Absent, like the arguments, when larger than 64 KiB together: ask engine-orchestrator.'),
  arguments: z.record(z.string(), z.unknown()).optional(),
  egressAllow: z.array(z.string()).optional().describe('CIDRs that the organisation may reach besides the operator’s.'),
});

const cancel = z.object({ command: z.literal('cancel'), callId: z.string(), runId: z.string(), orgId: z.string(), pool: z.string(), step: z.number().int() });

/** Sent by engine-orchestrator, received by tool-executor. The call's primary key makes a repeated one a no-op that answers again. */
export const ToolCommanded = z.discriminatedUnion('command', [call, cancel]);
export type ToolCommanded = z.infer<typeof ToolCommanded>;
export type ToolCall = z.infer<typeof call>;
