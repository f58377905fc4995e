import { type McpListing, type SealedMcpTool, ToolCredentials, type ToolResult } from '@nightshift/contracts';
import { sanitizeHeaders } from '@nightshift/http';
import { CREDENTIALS_UNREADABLE, openCredentials } from './credentials.ts';
import { failureResult } from './function-call.ts';
import type { McpAddress, McpServers } from './mcp.client.ts';
import { failedCall, failureOf } from './mcp-failure.ts';
import { findTool, listingOf, namesOf } from './mcp-listing.ts';
import { replyResult } from './mcp-result.ts';

/** On whose behalf a server is asked. */
export interface McpCaller {
  readonly orgId: string;
  readonly runId: string;
  readonly egressAllow: readonly string[];
}

/** One call of an MCP tool. */
export interface McpCall extends McpCaller {
  readonly tool: SealedMcpTool;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly callId: string;
  /** Counts from 1. */
  readonly attempt: number;
  readonly traceparent?: string | undefined;
  readonly signal: AbortSignal;
}

/** MCP servers, and the key that opens what runs have sealed for them. */
export interface McpTools {
  readonly servers: McpServers;
  readonly sealPrivateKey: string;
}

/** How long a server has to tell its tools. */
const LIST_TIMEOUT_MS = 10_000;

/** What a server offers a run; never longer than 10 s, and a failure is a listing too. */
export async function listMcp({ servers, sealPrivateKey }: McpTools, tool: SealedMcpTool, caller: McpCaller): Promise<McpListing> {
  if (tool.allowedTools?.length === 0) return { offers: [] };
  const credentials = openCredentials(ToolCredentials, tool.sealed, sealPrivateKey, caller.orgId);
  if (!credentials) return { offers: [], error: CREDENTIALS_UNREADABLE };
  const deadline = AbortSignal.timeout(LIST_TIMEOUT_MS);
  try {
    return listingOf(await servers.list(addressOf(tool, credentials, caller), deadline), tool.allowedTools);
  } catch (err) {
    return { offers: [], error: deadline.aborted ? `The MCP server did not tell its tools within ${LIST_TIMEOUT_MS / 1000} s.` : failureOf(err).message };
  }
}

/** Calls the tool once. Whatever goes wrong outside is a result for the model. Rejects if `signal` fires: then there is nothing to tell. */
export async function callMcp({ servers, sealPrivateKey }: McpTools, call: McpCall): Promise<ToolResult> {
  const { tool, signal } = call;
  const credentials = openCredentials(ToolCredentials, tool.sealed, sealPrivateKey, call.orgId);
  if (!credentials) return failureResult('credentials_unreadable', CREDENTIALS_UNREADABLE);
  const address = addressOf(tool, credentials, call);
  const { target } = tool;
  try {
    // Of a server that could not be asked before the run began, the function that stands for it takes the tool's name too.
    const wanted = target?.name === undefined ? standInCall(call.arguments) : { name: target.name, arguments: call.arguments };
    if (target?.isListed && target.name !== undefined) return await made(target.name, call.arguments);
    const tools = await servers.list(address, signal);
    const found = wanted.name === undefined ? undefined : findTool(tools, tool.allowedTools, wanted.name);
    if (found) return await made(found.name, wanted.arguments);
    if (wanted.name === undefined) return { isError: false, content: listingOf(tools, tool.allowedTools) };
    return failureResult('unknown_tool', `The MCP server has no tool "${wanted.name.slice(0, 128)}" that this run may call. ${namesOf(tools)}`);
  } catch (err) {
    if (signal.aborted) throw err;
    return failedCall(failureOf(err));
  }

  async function made(name: string, args: Readonly<Record<string, unknown>>): Promise<ToolResult> {
    const headers = { 'idempotency-key': call.callId, 'x-attempt': String(call.attempt), ...(call.traceparent !== undefined && { traceparent: call.traceparent }) };
    return replyResult(await servers.call(address, { name, arguments: args, headers, signal }));
  }
}

function standInCall({ tool, arguments: args }: Readonly<Record<string, unknown>>): { name: string | undefined; arguments: Readonly<Record<string, unknown>> } {
  return { name: typeof tool === 'string' && tool !== '' ? tool : undefined, arguments: typeof args === 'object' && args !== null ? (args as Record<string, unknown>) : {} };
}

/** Where a server is, with what it wants to see of its caller. */
export function addressOf({ url }: SealedMcpTool, { headers, auth }: ToolCredentials, { orgId, runId, egressAllow }: McpCaller): McpAddress {
  const credential = auth && (auth.type === 'bearer' ? { authorization: `Bearer ${auth.token}` } : { [auth.header ?? 'X-Api-Key']: auth.token });
  // By themselves, so that the credential wins over a header of the same name in another case.
  return { url, orgId, runId, allow: egressAllow, headers: { ...sanitizeHeaders(headers ?? {}).headers, ...sanitizeHeaders(credential ?? {}).headers } };
}
