import { AppError, type CredentialNames, EVENT_BODY_BYTES_MAX, type InternalSaveTool, type InternalUpdateTool, type SavedTool as View } from '@nightshift/contracts';
import { seal, sealPublicKeyOf, unseal } from '@nightshift/std';

/** How many tools an organisation may save. */
export const SAVED_TOOLS_MAX = 200;

/** A tool that an organisation has saved. */
export interface SavedTool {
  readonly id: string;
  readonly orgId: string;
  readonly name: string;
  readonly description: string | null;
  readonly tool: InternalSaveTool['tool'];
  readonly credentials: CredentialNames;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** The tool as it is shown: of its credentials only the names. */
export function viewOf({ id, name, description, tool, credentials, createdAt, updatedAt }: SavedTool): View {
  const shown =
    tool.type === 'function'
      ? { method: tool.method, timeoutMs: tool.timeoutMs, parameters: tool.parameters, ...(tool.envelope !== undefined && { envelope: tool.envelope }), retry: tool.retry }
      : { allowedTools: tool.allowedTools };
  return { id, type: tool.type, name, ...(description !== null && { description }), url: tool.url, ...shown, credentials, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

/** Refuses a tool that would not travel with its run; `invalid_request`. */
export function assertSize(tool: InternalSaveTool['tool']): void {
  const bytes = Buffer.byteLength(JSON.stringify(tool));
  if (bytes > EVENT_BODY_BYTES_MAX) throw new AppError('invalid_request', { message: `The tool has ${bytes} bytes; a saved tool may have ${EVENT_BODY_BYTES_MAX}.` });
}

/**
 * A saved tool with changes. Credentials that the changes do not name stay, but not for another origin: whoever moves a tool
 * has to know what it will send there. Throws `invalid_request`, or UnsealError if the kept credentials cannot be opened.
 */
export function changed(saved: SavedTool, { changes, credentials: given, sealed }: InternalUpdateTool, sealPrivateKey: string): SavedTool {
  const credentials = { ...saved.credentials, ...present({ headers: given.headers === null ? [] : given.headers, defaults: given.defaults === null ? [] : given.defaults, auth: given.auth }) };
  assertKinds(saved.tool.type, given);
  assertOrigin(saved, changes.url, given);
  const { name = saved.name, description = saved.description, url, allowedTools, method, parameters, envelope, retry, timeoutMs } = changes;
  const box = reseal(saved, given, sealed, sealPrivateKey);
  const tool: SavedTool['tool'] =
    saved.tool.type === 'function'
      ? { ...without(saved.tool, 'sealed', 'description'), ...present({ url, method, parameters, envelope, retry, timeoutMs }), name, ...(description !== null && { description }), hidden: credentials.defaults, ...box }
      : { ...without(saved.tool, 'sealed'), ...present({ url, allowedTools }), ...box };
  assertSize(tool);
  return { ...saved, name, description, tool, credentials };
}

/** What nothing would ever send is not kept as if it were; `null` for what there is none of changes nothing. */
function assertKinds(type: keyof typeof KINDS, given: InternalUpdateTool['credentials']): void {
  const foreign = (Object.keys(given) as Kind[]).filter((kind) => given[kind] && !KINDS[type].includes(kind));
  if (foreign.length === 0) return;
  const problem = `the credentials of a tool of type ${type} are ${KINDS[type].join(' and ')}`;
  throw new AppError('invalid_request', { message: `${foreign.join(', ')}: ${problem}`, details: { fields: Object.fromEntries(foreign.map((kind) => [kind, problem])) } });
}

function assertOrigin({ tool, credentials }: SavedTool, url: string | undefined, given: InternalUpdateTool['credentials']): void {
  if (url === undefined || URL.parse(url)?.origin === URL.parse(tool.url)?.origin) return;
  const kept = kindsOf(credentials).filter((kind) => given[kind] === undefined);
  if (kept.length === 0) return;
  const problem = `another origin is not sent the credentials of this one; give ${kept.join(' and ')} again, or null`;
  throw new AppError('invalid_request', { message: `url: ${problem}`, details: { fields: { url: problem } } });
}

/** The sealed credentials after the changes: those given in place of those kept. */
function reseal({ orgId, tool, credentials }: SavedTool, given: InternalUpdateTool['credentials'], sealed: string | undefined, privateKey: string): { sealed?: string } {
  if (Object.keys(given).length === 0) return tool.sealed === undefined ? {} : { sealed: tool.sealed };
  const open = (box: string | undefined): Record<string, unknown> => (box === undefined ? {} : (JSON.parse(unseal(box, privateKey, orgId)) as Record<string, unknown>));
  const kept = kindsOf(credentials).filter((kind) => given[kind] === undefined);
  const old = kept.length === 0 ? {} : Object.fromEntries(Object.entries(open(tool.sealed)).filter(([kind]) => kept.includes(kind as Kind)));
  const all = { ...old, ...open(sealed) };
  return Object.keys(all).length === 0 ? {} : { sealed: seal(JSON.stringify(all), sealPublicKeyOf(privateKey), orgId) };
}

type Kind = keyof CredentialNames;

/** The credentials that a tool of each type can have. */
const KINDS: Readonly<Record<InternalSaveTool['tool']['type'], readonly Kind[]>> = { function: ['headers', 'defaults'], mcp: ['headers', 'auth'] };

/** The kinds of credentials that a tool has. */
function kindsOf({ headers, defaults, auth }: CredentialNames): Kind[] {
  return [...(headers.length > 0 ? ['headers' as const] : []), ...(defaults.length > 0 ? ['defaults' as const] : []), ...(auth === null ? [] : ['auth' as const])];
}

function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function without<T extends object, K extends keyof T>(value: T, ...names: K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name as K))) as Omit<T, K>;
}
