import { type SealedFunctionTool, ToolCredentials, type ToolResult } from '@nightshift/contracts';
import type { Held } from '@nightshift/postgres';
import { contextOf, type SpanOptions, withSpan } from '@nightshift/runtime';
import { assertNever } from '@nightshift/std';
import { type Call, callKey, failed, laneOf, refusal, toolName } from './call.ts';
import type { ClaimedCall } from './call.store.ts';
import { CREDENTIALS_UNREADABLE, openCredentials } from './credentials.ts';
import { callFunction } from './function.tool.ts';
import type { McpServers } from './mcp.client.ts';
import { callMcp } from './mcp.tool.ts';
import type { Outbound } from './outbound.client.ts';
import type { PlatformTools } from './platform.tool.ts';

/** What calls are made with. */
export interface CallKit {
  readonly outbound: Outbound;
  readonly platform: PlatformTools;
  readonly servers: McpServers;
  readonly sealPrivateKey: string;
}

/** Makes a call, whatever kind of tool it is of, unless it is not to be made any more. Rejects only when the call was aborted; what goes wrong outside is a result. */
export function makeCall(kit: CallKit, call: ClaimedCall, held: Held): Promise<ToolResult> {
  return withSpan(`execute_tool ${toolName(call.tool)}`, spanOf(call), async (traceparent, span) => {
    const result = refusal(call) ?? (await makeOne(kit, call, { traceparent, signal: held.signal }));
    if (result.isError) span.end(result.errorCode ?? 'error');
    return result;
  });
}

/** As OpenTelemetry's conventions for generative AI call it; of arguments and results nothing. */
function spanOf({ id, runId, tool, attempts, epoch, traceparent: parent }: ClaimedCall): SpanOptions {
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': toolName(tool),
    'gen_ai.tool.call.id': id,
    'gen_ai.tool.type': tool.type === 'function' ? 'function' : 'extension',
    'nightshift.run_id': runId,
    'nightshift.attempt': attempts,
  };
  const before = attempts > 1 && parent !== undefined ? contextOf(parent, callKey({ id }, epoch - 1)) : undefined;
  return { parent, kind: 'client', attributes, key: callKey({ id }, epoch), links: [before] };
}

async function makeOne(kit: CallKit, call: Call, { traceparent, signal }: { traceparent: string; signal: AbortSignal }): Promise<ToolResult> {
  const { tool } = call;
  switch (tool.type) {
    case 'function':
      return functionCall(kit, call, tool, { traceparent, signal });
    case 'platform':
      return kit.platform.call({ tool, arguments: call.arguments, orgId: call.orgId, signal, allow: call.egressAllow });
    case 'mcp':
      return callMcp(kit, { tool, orgId: call.orgId, runId: call.runId, egressAllow: call.egressAllow, arguments: call.arguments, callId: call.id, attempt: call.attempts, traceparent, signal });
    default:
      return assertNever(tool);
  }
}

async function functionCall({ outbound, sealPrivateKey }: CallKit, call: Call, tool: SealedFunctionTool, during: { traceparent: string | undefined; signal: AbortSignal }): Promise<ToolResult> {
  const credentials = openCredentials(ToolCredentials, tool.sealed, sealPrivateKey, call.orgId);
  if (!credentials) return failed('credentials_unreadable', CREDENTIALS_UNREADABLE);
  const opened = { name: tool.name, url: tool.url, method: tool.method, envelope: tool.envelope, timeoutMs: tool.timeoutMs, retry: tool.retry, headers: credentials.headers ?? {}, defaults: credentials.defaults ?? {} };
  return callFunction(outbound, { tool: opened, arguments: call.arguments, callId: call.id, orgId: call.orgId, lane: laneOf(call.orgId, tool), attempt: call.attempts, allow: call.egressAllow, ...during });
}
