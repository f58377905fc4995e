import type { ToolResult } from '@nightshift/contracts';
import { type Egress, EgressError, sanitizeHeaders } from '@nightshift/http';
import { callTarget, failureResult, type OpenedFunction, toResult } from './function-call.ts';

/** One call of a function tool. */
export interface FunctionCall {
  readonly tool: OpenedFunction & {
    readonly timeoutMs: number;
    readonly headers?: Readonly<Record<string, string>> | undefined;
  };
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly callId: string;
  /** Counts from 1: a call whose worker was lost is repeated with the same id. */
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
 * Calls the tool once. Whatever goes wrong outside is a result for the model; neither headers nor defaults are part of it.
 * Rejects with EgressError `aborted` if `signal` fires or the egress is closed: then there is nothing to tell.
 */
export async function callFunction(egress: Egress, call: FunctionCall): Promise<ToolResult> {
  const { tool } = call;
  try {
    const { url, body } = callTarget(tool, call.arguments, call.callId);
    const reply = await egress.request({
      method: tool.method,
      url,
      headers: headersOf(call),
      timeoutMs: tool.timeoutMs,
      responseBytesMax: REPLY_BYTES_MAX,
      redirects: REDIRECTS_MAX,
      ...(body !== null && { body }),
      ...(call.signal && { signal: call.signal }),
      ...(call.allow && { allow: call.allow }),
    });
    return toResult(reply);
  } catch (err) {
    if (!(err instanceof EgressError) || err.code === 'aborted') throw err;
    return failureResult(err.code, `The tool could not be called: ${err.message}.`);
  }
}

function headersOf(call: FunctionCall): Record<string, string> {
  return {
    accept: 'application/json, text/plain;q=0.9, */*;q=0.5',
    'user-agent': 'Nightshift-Tools/1',
    ...(call.tool.method === 'POST' && { 'content-type': 'application/json' }),
    ...sanitizeHeaders(call.tool.headers ?? {}).headers,
    'idempotency-key': call.callId,
    'x-attempt': String(call.attempt),
    ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
  };
}
