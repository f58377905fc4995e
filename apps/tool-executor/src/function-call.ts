import { TOOL_RESULT_BYTES_MAX, type ToolResult } from '@nightshift/contracts';
import { cleanJson, cleanText } from '@nightshift/std';
import { cutText } from './cut-text.ts';
import { responseResult } from './tool-response.ts';

/** A function tool with its credentials opened. */
export interface OpenedFunction {
  readonly name: string;
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly envelope?: boolean | undefined;
  readonly defaults?: Readonly<Record<string, unknown>> | undefined;
}

/** What a tool's server answered, as far as it was read. */
export interface FunctionReply {
  readonly status: number;
  readonly body: Buffer;
  readonly truncated: boolean;
  /** The body's length if it is known, also when it was not read to its end. */
  readonly bodyBytes: number | null;
}

/**
 * The address and body of a call: the defaults win over what the model gave. POST sends the arguments as one flat JSON
 * object, or in an envelope; GET adds them to the query, where what the address already has stays, nested values are JSON
 * and null is left out.
 */
export function callTarget(tool: OpenedFunction, args: Readonly<Record<string, unknown>>, callId: string): { url: string; body: string | null } {
  const merged = { ...args, ...tool.defaults };
  if (tool.method === 'POST') return { url: tool.url, body: JSON.stringify(tool.envelope ? { tool_name: tool.name, parameters: merged, request_id: callId } : merged) };
  const url = URL.parse(tool.url);
  if (url === null) return { url: tool.url, body: null };
  const added = new URLSearchParams();
  for (const [name, value] of Object.entries(merged)) {
    if (value === null || value === undefined || url.searchParams.has(name)) continue;
    added.append(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  if (added.size > 0) url.search = `${url.search}${url.search === '' ? '?' : '&'}${added}`;
  return { url: url.href, body: null };
}

/** What the model is told of a reply: its content blocks, its JSON, or else its text; an error for a status outside 2xx and for a body that says so. */
export function toResult(reply: FunctionReply): ToolResult {
  const text = cleanText(new TextDecoder().decode(reply.body));
  const json = reply.truncated ? undefined : cleanJson(parseJson(text));
  const fitting = (jsonBytesMax: number): unknown => {
    if (json !== undefined && Buffer.byteLength(JSON.stringify(json)) <= jsonBytesMax) return json;
    if (!reply.truncated && json === undefined && Buffer.byteLength(JSON.stringify(text)) <= jsonBytesMax) return text;
    return cutText(text, reply.truncated ? (reply.bodyBytes ?? `more than ${reply.body.length}`) : reply.body.length, jsonBytesMax);
  };
  if (reply.status >= 200 && reply.status < 300) {
    const content = () => fitting(TOOL_RESULT_BYTES_MAX);
    return responseResult(json) ?? (saysError(json) ? { isError: true, content: content(), errorCode: 'tool_error' } : { isError: false, content: content() });
  }
  const outer = { error: 'http_status', status: reply.status, message: `The tool answered with status ${reply.status}.` };
  const room = TOOL_RESULT_BYTES_MAX - Buffer.byteLength(JSON.stringify(outer)) - '"body":,'.length;
  return { isError: true, content: { ...outer, body: fitting(room) }, errorCode: 'http_status' };
}

/** What the model is told when there is no reply. */
export function failureResult(code: string, message: string): ToolResult {
  return { isError: true, content: { error: code, message }, errorCode: code };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

function saysError(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { error, is_error: isError } = value as { error?: unknown; is_error?: unknown };
  return isError === true || (error !== undefined && error !== null && error !== false && error !== '');
}
