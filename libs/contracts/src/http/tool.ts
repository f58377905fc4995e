import { z } from 'zod';
import { PLATFORM_TOOLS } from './platform-tool.ts';

/** The longest a function tool may take, in seconds; larger numbers are read as milliseconds. */
export const TOOL_TIMEOUT_SECONDS_MAX = 600;
const TOOL_TIMEOUT_SECONDS_DEFAULT = 30;

export const ToolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1-64 letters, digits, _ or -');
const HttpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const JsonObject = z.record(z.string(), z.unknown());

// Names and values as HTTP can send them (RFC 9110, sections 5.1 and 5.5): one that it cannot would be missing from each call.
const HeaderName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'must be a header name');
const HeaderValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be a header value: one line of Latin-1');
const Headers = z.record(HeaderName, HeaderValue);

export const FunctionFields = z.object({
  name: ToolName,
  description: z.string().max(8192).optional(),
  url: HttpUrl,
  method: z.preprocess((v) => (typeof v === 'string' ? v.toUpperCase() : v), z.enum(['POST', 'GET'])).default('POST'),
  timeout: z.number().positive().max(TOOL_TIMEOUT_SECONDS_MAX * 1000).optional().describe('Seconds, default 30; above 600: milliseconds.'),
  parameters: JsonObject.default({ type: 'object', properties: {} }).describe('JSON Schema of the arguments.'),
  headers: Headers.optional().describe('Sent with each call of this tool only; stored sealed.'),
  defaults: JsonObject.optional().describe('Hidden from the model and merged over its arguments; stored sealed.'),
  envelope: z.boolean().optional().describe('POST only: the body is `{"tool_name", "parameters", "request_id"}` instead of the arguments alone.'),
  retry: z.enum(['safe', 'never']).default('safe').describe('`never`: a call that may have taken effect is not repeated.'),
});

/** Reads the historical spellings: a function nested under `function`, and a platform tool whose id is its type. */
export function readTool(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null) return raw;
  const { function: nested, ...flat } = raw as Record<string, unknown>;
  if (typeof flat['type'] === 'string' && Object.hasOwn(PLATFORM_TOOLS, flat['type'])) return { ...flat, id: flat['type'], type: 'platform' };
  return typeof nested === 'object' && nested !== null ? { ...flat, ...nested, type: 'function' } : raw;
}

/** A tool served by the caller over HTTP; flat, or nested under `function`. */
export const FunctionTool = FunctionFields.extend({ type: z.literal('function') }).meta({ id: 'FunctionTool' });

/** A tool of this server: a built-in one, or one that the organisation has saved. Whether there is one, admission says. */
export const PlatformTool = z
  .object({
    type: z.literal('platform'),
    id: z.string().max(128).describe('The id of a built-in tool, or the id or name of a saved one.'),
    options: JsonObject.nullish().describe('For built-in tools: arguments that the model neither sees nor sets. A saved tool takes none.'),
  })
  .meta({ id: 'PlatformTool' });

const McpAuth = z.object({
  type: z.enum(['bearer', 'api_key']),
  token: HeaderValue,
  header: HeaderName.optional().describe('Of `api_key`; default X-Api-Key.'),
});

/** A server that speaks the Model Context Protocol; all historical spellings. */
export const McpTool = z
  .object({
    type: z.literal('mcp'),
    url: HttpUrl.optional(),
    server: HttpUrl.optional().describe('The same as `url`.'),
    allowedTools: z.array(z.string()).optional().describe('Names, in any case; absent or with `*`: all of them; empty: none.'),
    allow: z.array(z.string()).optional().describe('The same as `allowedTools`.'),
    name: z.string().optional().describe('The same as `allowedTools` with one name.'),
    auth: McpAuth.optional(),
    headers: Headers.optional().describe('Sent with each request to this server only; stored sealed.'),
  })
  .refine((tool) => tool.url ?? tool.server, { error: 'an MCP tool needs a url', path: ['url'] })
  .meta({ id: 'McpTool' });

/** One tool of a run. */
export const Tool = z
  .preprocess(
    readTool,
    z.discriminatedUnion('type', [PlatformTool, FunctionTool, McpTool], {
      error: (issue) => (issue.code === 'invalid_union' ? 'unknown tool type; must be one of platform, function, mcp' : undefined),
    }),
  )
  .meta({ id: 'Tool' });
export type Tool = z.infer<typeof Tool>;

/** A function tool as it is stored and sent: its credentials are one sealed text that tool-executor alone can open. */
export const SealedFunctionTool = FunctionFields.omit({ headers: true, defaults: true, timeout: true })
  .extend({ type: z.literal('function'), timeoutMs: z.number().int().positive(), sealed: z.string().optional(), hidden: z.array(z.string()).describe('Names of the defaults.') })
  .meta({ id: 'SealedFunctionTool' });
export type SealedFunctionTool = z.infer<typeof SealedFunctionTool>;

/** Which of an MCP server's tools a call means. */
const McpTarget = z.object({
  name: z.string().optional().describe('Absent when nothing is known of the server: the arguments say which tool is meant.'),
  isListed: z.boolean().describe('False for a name that the server did not give itself, because it could not be asked.'),
  isRepeatable: z.boolean().describe('Whether a call whose worker was lost may be made again.'),
});

/** An MCP server as it is stored and sent; with `target` it is one tool of it, to be called. */
export const SealedMcpTool = z
  .object({ type: z.literal('mcp'), url: z.string(), allowedTools: z.array(z.string()).nullable().describe('Null: all.'), sealed: z.string().optional(), target: McpTarget.optional() })
  .meta({ id: 'SealedMcpTool' });
export type SealedMcpTool = z.infer<typeof SealedMcpTool>;

/** A platform tool as it is stored and sent. */
export const StoredPlatformTool = z.object({ type: z.literal('platform'), id: z.string(), options: JsonObject.optional() });

/** A tool without its secrets. */
export const SealedTool = z.discriminatedUnion('type', [SealedFunctionTool, StoredPlatformTool, SealedMcpTool]);
export type SealedTool = z.infer<typeof SealedTool>;

/** What `sealed` holds once opened. */
export const ToolCredentials = z.object({ headers: z.record(z.string(), z.string()).optional(), defaults: JsonObject.optional(), auth: McpAuth.extend({ token: z.string(), header: z.string().optional() }).optional() });
export type ToolCredentials = z.infer<typeof ToolCredentials>;

/** A tool's timeout in milliseconds, from the wire's seconds (or, above 600, milliseconds). */
export function toolTimeoutMs(timeout: number | undefined): number {
  if (timeout === undefined) return TOOL_TIMEOUT_SECONDS_DEFAULT * 1000;
  return Math.max(1, Math.round(timeout > TOOL_TIMEOUT_SECONDS_MAX ? timeout : timeout * 1000));
}
