import { z } from 'zod';
import { queryInteger } from './query-integer.ts';
import { RunError, RunResult, RunUsage } from './run.ts';

/** What a frame of a run's stream is: its begin, text of its document, a task that is finished, a tool call that was answered, its end. */
export const FRAME_KINDS = ['started', 'text', 'node', 'call', 'end'] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

/** One frame of a run's stream. `seq` counts from 1 without a gap. `text` is text for `text`, empty for `started`, else JSON: a `Task`, its `tooluse`, or a `FrameEnd`. */
export const Frame = z.object({ seq: z.number().int().positive(), kind: z.enum(FRAME_KINDS), text: z.string() });
export type Frame = z.infer<typeof Frame>;

/** How a run ended, as its last frame says it. */
export const FrameEnd = z.discriminatedUnion('status', [
  z.object({ status: z.literal('succeeded'), result: RunResult, usage: RunUsage.optional() }),
  z.object({ status: z.enum(['failed', 'canceled', 'timed_out']), error: RunError }),
]);
export type FrameEnd = z.infer<typeof FrameEnd>;

/** Query of whatever waits for a run, or shows it. */
export const LeaveQuery = z.object({ on_disconnect: z.enum(['continue', 'cancel']).default('continue').describe('What becomes of the run when the client leaves before its end.') });
export type LeaveQuery = z.infer<typeof LeaveQuery>;

/** Query of a run's stream. */
export const StreamQuery = LeaveQuery.extend({ starting_after: queryInteger(0, Number.MAX_SAFE_INTEGER).optional().describe('Goes on after the event with this id.') });
export type StreamQuery = z.infer<typeof StreamQuery>;

/** engine-orchestrator → gateway: frames of a run after a number, in order, as many as fit into a reply; none when there are no more yet. */
export const FramesQuery = z.object({ after: z.coerce.number().int().nonnegative() });
export type FramesQuery = z.infer<typeof FramesQuery>;
export const FramesPage = z.object({
  frames: z.array(Frame),
  isOver: z.boolean().optional().describe('With no frames: there will be none.'),
});
export type FramesPage = z.infer<typeof FramesPage>;

/** gateway → engine-orchestrator: how far the frames of runs reach. */
export const FrameHeadsQuery = z.object({ runIds: z.array(z.string()) });
export type FrameHeadsQuery = z.infer<typeof FrameHeadsQuery>;
export const FrameHeads = z.object({ heads: z.record(z.string(), z.number().int()), ended: z.array(z.string()) });
export type FrameHeads = z.infer<typeof FrameHeads>;
