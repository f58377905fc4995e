import { type SealedFunctionTool, ToolCredentials, type ToolResult } from '@nightshift/contracts';
import type { Held } from '@nightshift/postgres';
import { withSpan } from '@nightshift/runtime';
import { assertNever } from '@nightshift/std';
import { type Call, failed, laneOf, toolName } from './call.ts';
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

/** Makes a call, whatever kind of tool it is of. Rejects only when the call was aborted; what goes wrong outside is a result. */
export function makeCall(kit: CallKit, call: Call, held: Held): Promise<ToolResult> {
  const { tool } = call;
  const attributes = { 'nightshift.run_id': call.runId, 'nightshift.call_id': call.id, 'gen_ai.tool.name': toolName(tool) };
  return withSpan('tool call', { parent: call.traceparent, kind: 'client', attributes }, async (traceparent) => {
    switch (tool.type) {
      case 'function':
        return functionCall(kit, call, tool, { traceparent, signal: held.signal });
      case 'platform':
        return kit.platform.call({ tool, arguments: call.arguments, orgId: call.orgId, signal: held.signal, allow: call.egressAllow });
      case 'mcp':
        return callMcp(kit, { tool, orgId: call.orgId, runId: call.runId, egressAllow: call.egressAllow, arguments: call.arguments, callId: call.id, attempt: call.attempts, traceparent, signal: held.signal });
      default:
        return assertNever(tool);
    }
  });
}

async function functionCall({ outbound, sealPrivateKey }: CallKit, call: Call, tool: SealedFunctionTool, during: { traceparent: string | undefined; signal: AbortSignal }): Promise<ToolResult> {
  const credentials = openCredentials(ToolCredentials, tool.sealed, sealPrivateKey, call.orgId);
  if (!credentials) return failed('credentials_unreadable', CREDENTIALS_UNREADABLE);
  const opened = { name: tool.name, url: tool.url, method: tool.method, envelope: tool.envelope, timeoutMs: tool.timeoutMs, retry: tool.retry, headers: credentials.headers ?? {}, defaults: credentials.defaults ?? {} };
  return callFunction(outbound, { tool: opened, arguments: call.arguments, callId: call.id, lane: laneOf(call.orgId, tool), attempt: call.attempts, allow: call.egressAllow, ...during });
}
