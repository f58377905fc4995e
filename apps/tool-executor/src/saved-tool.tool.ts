import { AppError, type InternalTestTool, ToolCredentials, type ToolResult, type ToolTest } from '@nightshift/contracts';
import type { Egress } from '@nightshift/http';
import { openCredentials } from './credentials.ts';
import { callTarget, } from './function-call.ts';
import { callFunction } from './function.tool.ts';
import { hide, secretsOf } from './hidden-text.ts';
import { Outbound } from './outbound.client.ts';
import type { SavedTool } from './saved-tool.ts';

/** A test is waited for, so it may take less time than a call in a run. */
const TIMEOUT_MS = 10_000;

/** Calls a saved tool once, as a run would, and shows what went over the wire without any of its credentials. */
export async function testSavedTool(egress: Egress, saved: SavedTool, { callId, arguments: args, egressAllow: allow }: InternalTestTool, sealPrivateKey: string): Promise<ToolTest> {
  const { tool } = saved;
  if (tool.type === 'mcp') throw new AppError('invalid_request', { message: 'An MCP tool cannot be tested on this server.' });
  const credentials = openCredentials(ToolCredentials, tool.sealed, sealPrivateKey, saved.orgId);
  if (!credentials) throw new AppError('invalid_request', { message: 'The tool’s stored credentials cannot be opened any more; give them again.' });
  const { headers = {}, defaults = {} } = credentials;
  const watch = watching(egress);
  const startedAt = performance.now();
  const opened = { ...tool, timeoutMs: Math.min(tool.timeoutMs, TIMEOUT_MS), retry: 'never' as const, headers, defaults };
  const result = await callFunction(new Outbound(watch.egress), { tool: opened, arguments: args, callId, lane: '', attempt: 1, allow });
  const visible = Object.fromEntries(Object.entries(args).filter(([name]) => !Object.hasOwn(defaults, name)));
  const { url, body } = callTarget({ ...tool, defaults: {} }, visible, callId);
  return {
    request: { method: tool.method, url, headerNames: watch.seen.headerNames, body: body === null ? null : (JSON.parse(body) as Record<string, unknown>) },
    reply: replyOf({ ...result, content: hide(result.content, secretsOf([headers, defaults])) }, watch.seen.status, startedAt),
  };
}

/** The reply of a test. */
export function replyOf({ isError, errorCode, content }: ToolResult, status: number | null, startedAt: number): ToolTest['reply'] {
  return { status, isError, ...(errorCode !== undefined && { errorCode }), content, durationMs: Math.round(performance.now() - startedAt) };
}

function watching(egress: Egress): { egress: Egress; seen: { status: number | null; headerNames: string[] } } {
  const seen: { status: number | null; headerNames: string[] } = { status: null, headerNames: [] };
  return {
    seen,
    egress: {
      ...egress,
      async request(request) {
        seen.headerNames = Object.keys(request.headers ?? {}).map((name) => name.toLowerCase()).sort();
        const reply = await egress.request(request);
        seen.status = reply.status;
        return reply;
      },
    },
  };
}
