import { AppError, type CredentialNames, type InternalSaveTool, type InternalUpdateTool, platformToolOf, type SaveTool, toolTimeoutMs, type UpdateTool } from '@nightshift/contracts';
import { cleanJson, cleanText, seal } from '@nightshift/std';
import { type Envelope, sealTool } from './admission.ts';

/** A tool to save as tool-executor takes it: its credentials sealed for the executor alone. */
export function toSave(body: SaveTool, toolId: string, orgId: string, idempotency: Envelope['idempotency'], sealPublicKey: string): InternalSaveTool {
  assertName(body.name);
  assertUrl(body.url ?? (body.type === 'mcp' ? body.server : undefined));
  // What `name` means in a run's MCP tool, its single tool, it does not mean here: it is the saved tool's own.
  const { name, description, ...rest } = body;
  const tool = sealTool(body.type === 'function' ? body : ({ ...rest, type: 'mcp' } as const), sealPublicKey, orgId);
  if (tool.type === 'platform') throw new Error('a built-in tool cannot be saved');
  return {
    toolId,
    orgId,
    name,
    ...(description !== undefined && { description: cleanText(description) }),
    tool: cleanJson(tool) as InternalSaveTool['tool'],
    credentials: namesOf(body),
    ...(idempotency && { idempotency: { key: idempotency.key, bodyHash: idempotency.bodyHash } }),
  };
}

/** Changes of a saved tool as tool-executor takes them. */
export function toUpdate(body: UpdateTool, orgId: string, sealPublicKey: string): InternalUpdateTool {
  if (body.name !== undefined) assertName(body.name);
  assertUrl(body.url);
  const { headers, defaults, auth, timeout, ...changes } = body;
  const given = { ...(headers && { headers }), ...(defaults && { defaults: cleanJson(defaults) }), ...(auth && { auth }) };
  return {
    orgId,
    changes: { ...(cleanJson(changes) as typeof changes), ...(timeout !== undefined && { timeoutMs: toolTimeoutMs(timeout) }) },
    credentials: {
      ...(headers !== undefined && { headers: headers && Object.keys(headers) }),
      ...(defaults !== undefined && { defaults: defaults && Object.keys(defaults) }),
      ...(auth !== undefined && { auth: auth?.type ?? null }),
    },
    ...(Object.keys(given).length > 0 && { sealed: seal(JSON.stringify(given), sealPublicKey, orgId) }),
  };
}

function namesOf(body: SaveTool): CredentialNames {
  return {
    headers: Object.keys(body.headers ?? {}),
    defaults: body.type === 'function' ? Object.keys(body.defaults ?? {}) : [],
    auth: body.type === 'mcp' ? (body.auth?.type ?? null) : null,
  };
}

function assertName(name: string): void {
  if (platformToolOf(name) !== undefined) throw invalid('name', `"${name}" is the id of a built-in tool`);
}

/** An address is shown to everybody who may see the tool. */
function assertUrl(url: string | undefined): void {
  const parsed = url === undefined ? null : URL.parse(url);
  if (parsed && (parsed.username !== '' || parsed.password !== '')) throw invalid('url', 'must not hold a user or password; put credentials into headers');
}

function invalid(field: string, problem: string): AppError {
  return new AppError('invalid_request', { message: `${field}: ${problem}`, details: { fields: { [field]: problem } } });
}
