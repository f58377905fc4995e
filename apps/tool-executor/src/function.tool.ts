import type { ToolResult } from '@nightshift/contracts';
import { sanitizeHeaders } from '@nightshift/http';
import { callTarget, failureResult, type OpenedFunction, toResult } from './function-call.ts';
import type { Outbound } from './outbound.client.ts';

/** One call of a function tool. */
export interface FunctionCall {
  readonly tool: OpenedFunction & {
    readonly timeoutMs: number;
    readonly retry: 'safe' | 'never';
    readonly headers?: Readonly<Record<string, string>> | undefined;
  };
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly callId: string;
  /** What its host is remembered under. */
  readonly lane: string;
  readonly orgId: string;
  /** Counts from 1: a call whose worker was lost is repeated with the same id. Further tries of this one count on from it. */
  readonly attempt: number;
  readonly traceparent?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** CIDRs the organisation may reach besides the operator's own. */
  readonly allow?: readonly string[] | undefined;
}

/** Replies are read this far to be parsed as JSON; what reaches the model is cut much earlier. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;
const REDIRECTS_MAX = 5;

/**
 * Calls the tool. Whatever goes wrong outside is a result for the model; neither headers nor defaults are part of it.
 * Rejects with EgressError `aborted` if `signal` fires or the egress is closed: then there is nothing to tell.
 */
export async function callFunction(outbound: Outbound, call: FunctionCall): Promise<ToolResult> {
  const { tool, lane, signal } = call;
  const { url, body } = callTarget(tool, call.arguments, call.callId);
  const requestOf = (tries: number) => ({
    method: tool.method,
    url,
    headers: headersOf(call, tries),
    responseBytesMax: REPLY_BYTES_MAX,
    redirects: REDIRECTS_MAX,
    ...(body !== null && { body }),
    ...(call.allow && { allow: call.allow }),
    owner: call.orgId,
  });
  const { reply, error } = await outbound.send({ lane, retry: tool.retry, timeoutMs: tool.timeoutMs, signal, requestOf });
  return error ? failureResult(error.code, `The tool could not be called: ${error.message}.`) : toResult(reply);
}

function headersOf(call: FunctionCall, tries: number): Record<string, string> {
  return {
    accept: 'application/json, text/plain;q=0.9, */*;q=0.5',
    'user-agent': 'Nightshift-Tools/1',
    ...(call.tool.method === 'POST' && { 'content-type': 'application/json' }),
    ...sanitizeHeaders(call.tool.headers ?? {}).headers,
    'idempotency-key': call.callId,
    'x-attempt': String(call.attempt + tries - 1),
    ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
  };
}
