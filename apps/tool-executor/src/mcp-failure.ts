import type { ToolResult } from '@nightshift/contracts';
import { cleanText } from '@nightshift/std';
import { failureResult } from './function-call.ts';

/** Why a server could not be asked: a stable code, and a text for the model. */
export interface McpFailure {
  readonly code: string;
  readonly message: string;
}

/** The parts by which errors of the MCP client are told apart: its own have a text for a code, those of the protocol a number. */
interface ErrorFacts {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly data?: { readonly status?: unknown; readonly text?: unknown; readonly resultType?: unknown } | undefined;
}

const TEXT_CHARS_MAX = 500;
/** The protocol's code for a request that needs what the client said it does not have, such as somebody to ask. */
const CAPABILITY_MISSING = -32021;

/** The error code of an answer that never came, because its stream ended first. It is not one of the protocol's. */
export const BROKEN_OFF = -32990;

/** What went wrong, from what the client threw. It names at most the host, and quotes what the server itself said. */
export function failureOf(err: unknown): McpFailure {
  const chain = causesOf(err);
  const [first] = chain;
  const egress = chain.find(({ name }) => name === 'EgressError');
  if (egress) return { code: String(egress.code), message: `The MCP server could not be reached: ${brief(egress.message)}.` };
  const { code, data } = first ?? {};
  if (code === BROKEN_OFF) return { code: 'connection_reset', message: 'The answer of the MCP server broke off, or was larger than 4 MiB.' };
  if (code === CAPABILITY_MISSING || (code === 'UNSUPPORTED_RESULT_TYPE' && data?.resultType === 'input_required')) return { code: 'input_required', message: 'The tool asks for more input from a person, which a run in the background cannot give yet. Call it with complete arguments, or do without it.' };
  if (code === 'REQUEST_TIMEOUT') return { code: 'timeout', message: 'The MCP server did not answer in time.' };
  const status = chain.map((one) => one.data?.status).find((one) => typeof one === 'number');
  if (status === 401 || status === 403 || first?.name === 'UnauthorizedError' || first?.name === 'InsufficientScopeError') return { code: 'unauthorized', message: `The MCP server refused the credentials of this run${status === undefined ? '' : ` with status ${status}`}.` };
  if (status !== undefined) return { code: 'http_status', message: `The MCP server answered with status ${status}${typeof data?.text === 'string' && data.text !== '' ? `: ${brief(data.text)}` : '.'}` };
  if (typeof code === 'number') return { code: 'mcp_error', message: `The MCP server answered with error ${code}: ${brief(first?.message)}` };
  return { code: 'invalid_response', message: `The MCP server did not answer as the protocol says: ${brief(first?.message)}` };
}

/** Whether the server no longer knows the session of a request, so that it did nothing about it. */
export function isSessionGone(err: unknown): boolean {
  const { status, text } = causesOf(err)[0]?.data ?? {};
  // The protocol says 404; a server that lost its memory in a restart often answers 400 and says why.
  return status === 404 || (status === 400 && typeof text === 'string' && /session/i.test(text));
}

/** Whether the server answered the request, be it with an error: then the connection is good. */
export function isAnswer(err: unknown): boolean {
  const { code } = causesOf(err)[0] ?? {};
  return (typeof code === 'number' && code !== BROKEN_OFF) || code === 'UNSUPPORTED_RESULT_TYPE';
}

/** The tool result that tells the model of a failure. */
export function failedCall({ code, message }: McpFailure): ToolResult {
  return failureResult(code, message);
}

function causesOf(err: unknown): ErrorFacts[] {
  const chain: ErrorFacts[] = [];
  for (let one = err; typeof one === 'object' && one !== null && chain.length < 8; one = (one as ErrorFacts).cause) chain.push(one as ErrorFacts);
  return chain;
}

function brief(text: unknown): string {
  const clean = cleanText(String(text));
  return clean.length > TEXT_CHARS_MAX ? `${clean.slice(0, TEXT_CHARS_MAX).toWellFormed()}…` : clean;
}
