import { EVENT_BODY_BYTES_MAX, type SealedTool, type ToolCompleted, type ToolResult } from '@nightshift/contracts';

/** One tool call as the executor keeps it. */
export interface Call {
  readonly id: string;
  readonly runId: string;
  readonly orgId: string;
  readonly pool: string;
  readonly step: number;
  readonly tool: SealedTool;
  readonly arguments: Record<string, unknown>;
  /** Ranges that the organisation's tools may reach although they are not public. */
  readonly egressAllow: readonly string[];
  readonly traceparent: string | undefined;
  /** Claims without an end: above 1 a worker was lost in the middle of it. */
  readonly attempts: number;
}

const ATTEMPTS_MAX = 5;
const LANE_CHARS_MAX = 512;

/** Whom the call competes with: its organisation's other calls to the same host. */
export function laneOf(orgId: string, tool: SealedTool): string {
  const host = tool.type === 'platform' ? tool.id : URL.canParse(tool.url) ? new URL(tool.url).host : '';
  return `${orgId} ${host}`.slice(0, LANE_CHARS_MAX);
}

/** What the span of a call is known by in its trace: each claim makes another. */
export function callKey({ id }: Pick<Call, 'id'>, epoch: number): string {
  return `call ${id} ${epoch}`;
}

/** What a tool is called in traces. */
export function toolName(tool: SealedTool): string {
  return tool.type === 'function' ? tool.name : tool.type === 'platform' ? tool.id : (tool.target?.name ?? 'mcp');
}

/** Decides whether a claimed call is made; else the result that stands for it. */
export function refusal(call: Call): ToolResult | undefined {
  const { attempts } = call;
  const lost = attempts > 1 ? brokenOff(call) : undefined;
  if (lost) return lost;
  if (attempts > ATTEMPTS_MAX) return failed('worker_lost', `The call was given up after ${ATTEMPTS_MAX} workers were lost while making it.`);
  return undefined;
}

/** The result of a call that was broken off and is not safe to repeat; undefined for one that another worker repeats. */
export function brokenOff({ tool }: Call): ToolResult | undefined {
  if (isRepeatable(tool)) return undefined;
  return failed('outcome_unknown', 'The worker that made this call was lost. It may or may not have taken effect, and it is not safe to repeat.');
}

function isRepeatable(tool: SealedTool): boolean {
  if (tool.type === 'mcp') return tool.target?.isRepeatable === true;
  return tool.type !== 'function' || tool.retry !== 'never';
}

/** A call that has no answer but this text. */
export function failed(errorCode: string, content: string): ToolResult {
  return { isError: true, errorCode, content };
}

/** The answer to the engine; a result that is too large to travel is asked for. */
export function completedEvent(call: Pick<Call, 'id' | 'runId' | 'pool' | 'step'>, result: ToolResult): ToolCompleted {
  const travels = Buffer.byteLength(JSON.stringify(result)) <= EVENT_BODY_BYTES_MAX;
  return { callId: call.id, runId: call.runId, pool: call.pool, step: call.step, ...(travels && { result }) };
}
