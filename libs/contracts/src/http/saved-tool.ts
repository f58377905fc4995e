import { z } from 'zod';
import { FunctionFields, FunctionTool, McpTool, readTool, SealedFunctionTool, SealedMcpTool, SealedTool, ToolName } from './tool.ts';

const JsonObject = z.record(z.string(), z.unknown());
const Description = z.string().max(8192);
const Idempotency = z.object({ key: z.string(), bodyHash: z.string() });

/** Body of POST /v1/tools: a tool as a run carries it, with the name it is saved under. */
export const SaveTool = z
  .preprocess(
    readTool,
    z.discriminatedUnion('type', [FunctionTool, McpTool.safeExtend({ name: ToolName, description: Description.optional() })], {
      error: (issue) => (issue.code === 'invalid_union' ? 'unknown tool type; must be function or mcp' : undefined),
    }),
  )
  .meta({ id: 'SaveTool' });
export type SaveTool = z.infer<typeof SaveTool>;

/** Body of PATCH /v1/tools/{id}: what is given is replaced, null removes. What does not belong to the tool's type is ignored, but for credentials, which are refused. */
export const UpdateTool = z
  .object({
    name: ToolName.optional(),
    description: Description.nullish(),
    url: FunctionFields.shape.url.optional(),
    method: FunctionFields.shape.method.unwrap().optional(),
    timeout: FunctionFields.shape.timeout,
    parameters: FunctionFields.shape.parameters.unwrap().optional(),
    envelope: FunctionFields.shape.envelope,
    retry: FunctionFields.shape.retry.unwrap().optional(),
    allowedTools: z.array(z.string()).nullish(),
    headers: FunctionFields.shape.headers.nullish(),
    defaults: FunctionFields.shape.defaults.nullish(),
    auth: McpTool.shape.auth.nullish(),
  })
  .meta({ id: 'UpdateTool' });
export type UpdateTool = z.infer<typeof UpdateTool>;

/** What can be known of a tool's credentials: their names, never what they are. */
export const CredentialNames = z.object({
  headers: z.array(z.string()),
  defaults: z.array(z.string()),
  auth: z.enum(['bearer', 'api_key']).nullable(),
});
export type CredentialNames = z.infer<typeof CredentialNames>;

/** A saved tool as it is shown. */
export const SavedTool = z
  .object({
    id: z.string(),
    type: z.enum(['function', 'mcp']),
    name: z.string(),
    description: z.string().optional(),
    url: z.string(),
    method: z.enum(['POST', 'GET']).optional(),
    timeoutMs: z.number().int().optional(),
    parameters: JsonObject.optional(),
    envelope: z.boolean().optional(),
    retry: z.enum(['safe', 'never']).optional(),
    allowedTools: z.array(z.string()).nullable().optional(),
    credentials: CredentialNames,
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'SavedTool' });
export type SavedTool = z.infer<typeof SavedTool>;

/** A built-in tool, and whether it can be used on this server. */
export const BuiltInTool = z
  .object({
    id: z.string(),
    type: z.literal('platform'),
    description: z.string(),
    parameters: JsonObject,
    aliases: z.array(z.string()),
    available: z.boolean(),
    reason: z.string().optional().describe('Why it is not available.'),
  })
  .meta({ id: 'BuiltInTool' });
export type BuiltInTool = z.infer<typeof BuiltInTool>;

/** Reply of GET /v1/tools/{id}. */
export const AnyTool = z.discriminatedUnion('type', [BuiltInTool, SavedTool]);
export type AnyTool = z.infer<typeof AnyTool>;

/** Reply of GET /v1/tools: the built-in tools, then the saved ones by name. */
export const ToolList = z.object({ tools: z.array(AnyTool) }).meta({ id: 'ToolList' });
export type ToolList = z.infer<typeof ToolList>;

/** Body of POST /v1/tools/{id}/test. */
export const TestTool = z.object({ arguments: JsonObject.default({}) }).meta({ id: 'TestTool' });
export type TestTool = z.infer<typeof TestTool>;

/** One call of a tool: what was sent without its credentials, and what came back. */
export const ToolTest = z
  .object({
    request: z.object({ method: z.string(), url: z.string(), headerNames: z.array(z.string()), body: JsonObject.nullable() }).optional().describe('Absent for built-in tools.'),
    reply: z.object({
      status: z.number().int().nullable().describe('The HTTP status; null when there was no reply.'),
      isError: z.boolean(),
      errorCode: z.string().optional(),
      content: z.unknown().describe('What a model would be told.'),
      durationMs: z.number().int(),
    }),
  })
  .meta({ id: 'ToolTest' });
export type ToolTest = z.infer<typeof ToolTest>;

/** gateway → tool-executor: a tool to save, its credentials sealed. */
export const InternalSaveTool = z.object({
  toolId: z.string(),
  orgId: z.string(),
  name: z.string(),
  description: z.string().optional(),
  tool: z.discriminatedUnion('type', [SealedFunctionTool, SealedMcpTool]),
  credentials: CredentialNames,
  idempotency: Idempotency.optional(),
});
export type InternalSaveTool = z.infer<typeof InternalSaveTool>;

/** tool-executor → gateway: the saved tool; `replayed` when an earlier request with the same key saved it. */
export const InternalToolSaved = z.object({ tool: SavedTool, replayed: z.boolean() });
export type InternalToolSaved = z.infer<typeof InternalToolSaved>;

/** gateway → tool-executor: changes of a saved tool. `sealed` holds the credentials that are given; `credentials` names them, null where they are removed, absent where they stay. */
export const InternalUpdateTool = z.object({
  orgId: z.string(),
  changes: UpdateTool.omit({ headers: true, defaults: true, auth: true, timeout: true }).extend({ timeoutMs: z.number().int().positive().optional() }),
  credentials: z.object({ headers: CredentialNames.shape.headers.nullable(), defaults: CredentialNames.shape.defaults.nullable(), auth: CredentialNames.shape.auth }).partial(),
  sealed: z.string().optional(),
});
export type InternalUpdateTool = z.infer<typeof InternalUpdateTool>;

/** gateway → tool-executor: one call of a tool. */
export const InternalTestTool = z.object({ orgId: z.string(), callId: z.string(), arguments: JsonObject, egressAllow: z.array(z.string()) });
export type InternalTestTool = z.infer<typeof InternalTestTool>;

/** gateway → tool-executor: the saved tools that a run names, by id or name. */
export const InternalResolveTools = z.object({ orgId: z.string(), ids: z.array(z.string()).max(128) });
export type InternalResolveTools = z.infer<typeof InternalResolveTools>;
export const InternalResolvedTools = z.object({ tools: z.record(z.string(), SealedTool) });
export type InternalResolvedTools = z.infer<typeof InternalResolvedTools>;
