import { TOOL_RESULT_BYTES_MAX, type ToolResult } from '@nightshift/contracts';
import { cleanJson, cleanText } from '@nightshift/std';

/** A function tool with its credentials opened. */
export interface OpenedFunction {
  readonly url: string;
  readonly method: 'GET' | 'POST';
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
 * object; GET adds them to the query, where what the address already has stays, nested values are JSON and null is left out.
 */
export function callTarget(tool: OpenedFunction, args: Readonly<Record<string, unknown>>): { url: string; body: string | null } {
  const merged = { ...args, ...tool.defaults };
  if (tool.method === 'POST') return { url: tool.url, body: JSON.stringify(merged) };
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

/** What the model is told of a reply: its JSON, or else its text; an error for a status outside 2xx and for a body that says so. */
export function toResult(reply: FunctionReply): ToolResult {
  if (reply.status >= 200 && reply.status < 300) {
    const { content, parsed } = readBody(reply, TOOL_RESULT_BYTES_MAX);
    return saysError(parsed) ? { isError: true, content, errorCode: 'tool_error' } : { isError: false, content };
  }
  const outer = { error: 'http_status', status: reply.status, message: `The tool answered with status ${reply.status}.` };
  const room = TOOL_RESULT_BYTES_MAX - Buffer.byteLength(JSON.stringify(outer)) - '"body":,'.length;
  return { isError: true, content: { ...outer, body: readBody(reply, room).content }, errorCode: 'http_status' };
}

/** What the model is told when there is no reply. */
export function failureResult(code: string, message: string): ToolResult {
  return { isError: true, content: { error: code, message }, errorCode: code };
}

function readBody(reply: FunctionReply, jsonBytesMax: number): { content: unknown; parsed: unknown } {
  const text = cleanText(new TextDecoder().decode(reply.body));
  const parsed = reply.truncated ? undefined : parseJson(text);
  const content = parsed === undefined ? text : cleanJson(parsed);
  if (!reply.truncated && Buffer.byteLength(JSON.stringify(content)) <= jsonBytesMax) return { content, parsed };
  return { content: cutText(text, reply, jsonBytesMax), parsed };
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

/** The start of a text with a marker that says how much of it there is; at most `jsonBytesMax` bytes as a JSON string. */
function cutText(text: string, { body, truncated, bodyBytes }: FunctionReply, jsonBytesMax: number): string {
  const total = truncated ? (bodyBytes ?? `more than ${body.length}`) : body.length;
  const marker = (kept: number | string) => `…[truncated: ${kept} of ${total} bytes]`;
  const kept = text.slice(0, fittingLength(text, jsonBytesMax - Buffer.byteLength(JSON.stringify(marker(body.length)))));
  return kept + marker(Buffer.byteLength(kept));
}

/** How many UTF-16 units of a well-formed text fit into `jsonBytesMax` bytes of JSON, never half a pair. */
function fittingLength(text: string, jsonBytesMax: number): number {
  let bytes = 0;
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? asciiJsonBytes(code) : Buffer.byteLength(character);
    if (bytes > jsonBytesMax) break;
    length += character.length;
  }
  return length;
}

function asciiJsonBytes(code: number): number {
  if (code === 0x22 || code === 0x5c) return 2;
  if (code >= 0x20) return 1;
  return '\b\t\n\f\r'.includes(String.fromCharCode(code)) ? 2 : 6;
}
