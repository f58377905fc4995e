import { AppError, type InternalTestTool, type SealedFunctionTool, type SealedMcpTool, ToolCredentials, type ToolResult, type ToolTest } from '@nightshift/contracts';
import type { Egress } from '@nightshift/http';
import { openCredentials } from './credentials.ts';
import { callTarget } from './function-call.ts';
import { callFunction } from './function.tool.ts';
import { hide, secretsOf } from './hidden-text.ts';
import { addressOf, callMcp, type McpTools } from './mcp.tool.ts';
import { Outbound } from './outbound.client.ts';
import type { SavedTool } from './saved-tool.ts';

/** A test is waited for, so it may take less time than a call in a run, in milliseconds. */
export const TEST_TIMEOUT_MS = 10_000;

/** Calls a saved tool once, as a run would, and shows what went over the wire without any of its credentials. */
export async function testSavedTool(egress: Egress, mcp: McpTools, { orgId, tool }: SavedTool, test: InternalTestTool): Promise<ToolTest> {
  const credentials = openCredentials(ToolCredentials, tool.sealed, mcp.sealPrivateKey, orgId);
  if (!credentials) throw new AppError('invalid_request', { message: 'The tool’s stored credentials cannot be opened any more; give them again.' });
  return tool.type === 'mcp' ? testMcp(mcp, { ...test, orgId, tool, credentials }) : testFunction(egress, { ...test, tool, credentials });
}

type Test<T> = InternalTestTool & { readonly tool: T; readonly credentials: ToolCredentials };

async function testFunction(egress: Egress, { tool, credentials, orgId, callId, arguments: args, egressAllow: allow }: Test<SealedFunctionTool>): Promise<ToolTest> {
  const { headers = {}, defaults = {} } = credentials;
  const watch = watching(egress);
  const startedAt = performance.now();
  const opened = { ...tool, timeoutMs: Math.min(tool.timeoutMs, TEST_TIMEOUT_MS), retry: 'never' as const, headers, defaults };
  const result = await callFunction(new Outbound(watch.egress), { tool: opened, arguments: args, callId, orgId, lane: '', attempt: 1, allow });
  const visible = Object.fromEntries(Object.entries(args).filter(([name]) => !Object.hasOwn(defaults, name)));
  const { url, body } = callTarget({ ...tool, defaults: {} }, visible, callId);
  return {
    request: { method: tool.method, url, headerNames: watch.seen.headerNames, body: body === null ? null : (JSON.parse(body) as Record<string, unknown>) },
    reply: replyOf({ ...result, content: hide(result.content, secretsOf([headers, defaults])) }, watch.seen.status, startedAt),
  };
}

/** Without arguments it shows what the server offers; with `tool` and `arguments` it calls one of its tools. */
async function testMcp(mcp: McpTools, { tool, credentials, orgId, callId, arguments: args, egressAllow }: Test<SealedMcpTool>): Promise<ToolTest> {
  const startedAt = performance.now();
  const late = AbortSignal.timeout(TEST_TIMEOUT_MS);
  const call = { tool, orgId, runId: callId, egressAllow, arguments: args, callId, attempt: 1, signal: late };
  const result = await callMcp(mcp, call).catch((err: unknown) => {
    if (!late.aborted) throw err;
    return TOO_LATE;
  });
  const { url, headers } = addressOf(tool, credentials, call);
  return {
    request: { method: 'POST', url, headerNames: Object.keys(headers).map((name) => name.toLowerCase()).sort(), body: args },
    reply: replyOf({ ...result, content: hide(result.content, secretsOf([credentials.headers, credentials.defaults, credentials.auth?.token])) }, null, startedAt),
  };
}

/** The result of a test that was given up. */
export const TOO_LATE: ToolResult = { isError: true, errorCode: 'timeout', content: 'The tool did not answer in time.' };

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
