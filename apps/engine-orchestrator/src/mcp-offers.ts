import type { McpListing, McpOffer, SealedMcpTool, SealedTool } from '@nightshift/contracts';
import type { ModelTool } from './model.ts';

/** A tool as the model sees it, and the one it stands for. */
export interface OfferedTool {
  readonly offer: ModelTool;
  readonly tool: SealedTool;
}

/** What a server offers under a name of ours, before that is made unlike all others. */
interface Candidate {
  readonly server: string;
  readonly name: string;
  readonly offer: Omit<ModelTool, 'name'>;
  readonly tool: SealedMcpTool;
}

const NAME_CHARS_MAX = 64;
const ANYTHING = { type: 'object', properties: {}, additionalProperties: true };

/** The MCP servers of a run that have to be asked what they offer. */
export function mcpToolsOf(tools: readonly SealedTool[]): SealedMcpTool[] {
  return tools.filter((tool) => tool.type === 'mcp').filter(({ allowedTools }) => allowedTools?.length !== 0);
}

/**
 * The functions by which the model calls the tools of MCP servers, given what the servers listed, one listing for each of
 * `servers`. A name that a tool in `taken` has, or a tool of another server, gets its server's name in front.
 */
export function mcpOffers(servers: readonly SealedMcpTool[], listings: readonly McpListing[], taken: ReadonlySet<string>): OfferedTool[] {
  const candidates = servers.flatMap((tool, index) => candidatesOf(tool, listings[index] ?? { offers: [], error: 'The MCP server has not been asked.' }));
  const counts = Map.groupBy(candidates, ({ name }) => name);
  const isClash = ({ name }: Candidate): boolean => taken.has(name) || (counts.get(name)?.length ?? 0) > 1;
  const used = new Set([...taken, ...candidates.filter((one) => !isClash(one)).map(({ name }) => name)]);
  return candidates.map((candidate) => {
    const name = isClash(candidate) ? freeName(`${candidate.server}_${candidate.name}`, used) : candidate.name;
    used.add(name);
    return { offer: { name, ...candidate.offer }, tool: candidate.tool };
  });
}

function candidatesOf(tool: SealedMcpTool, { offers, error }: McpListing): Candidate[] {
  const server = serverName(tool.url);
  if (error === undefined) return offers.map((offer) => ({ server, name: functionName(offer.name), offer: offerOf(offer, server), tool: targeted(tool, { name: offer.name, isListed: true, isRepeatable: offer.isRepeatable }) }));
  const named = (tool.allowedTools ?? []).map((name) => name.trim()).filter((name) => name !== '');
  if (named.length > 0 && !named.includes('*')) {
    return [...new Set(named)].map((name) => ({ server, name: functionName(name), offer: { description: `Tool ${name} of the MCP server ${server}.`, parameters: ANYTHING }, tool: targeted(tool, { name, isListed: false, isRepeatable: false }) }));
  }
  return [{ server, name: server, offer: standIn(server, error), tool: targeted(tool, { isListed: false, isRepeatable: false }) }];
}

function offerOf({ name, description, inputSchema }: McpOffer, server: string): Omit<ModelTool, 'name'> {
  return { description: description ?? `Tool ${name} of the MCP server ${server}.`, parameters: inputSchema };
}

/** The function that stands for a server whose tools are not known: the server may be back when it is called. */
function standIn(server: string, error: string): Omit<ModelTool, 'name'> {
  return {
    description: `The MCP server ${server} could not tell its tools (${error.slice(0, 300).toWellFormed()}) Call this without arguments to ask it again, and with \`tool\` and \`arguments\` to call one of its tools.`,
    parameters: { type: 'object', properties: { tool: { type: 'string', description: 'Name of a tool of the server.' }, arguments: { type: 'object', additionalProperties: true } } },
  };
}

function targeted(tool: SealedMcpTool, target: NonNullable<SealedMcpTool['target']>): SealedMcpTool {
  return { ...tool, target };
}

/** A server by its host: `https://mcp.example.com/v1` is `example_com`. */
function serverName(url: string): string {
  return functionName((URL.parse(url)?.hostname ?? '').replace(/^(www|mcp)\./, '')) || 'mcp';
}

/** A name as models may call it: letters, digits, `_` and `-`, at most 64 of them. */
function functionName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, NAME_CHARS_MAX) || 'tool';
}

function freeName(wanted: string, used: ReadonlySet<string>): string {
  for (let count = 1; ; count += 1) {
    const suffix = count === 1 ? '' : `_${count}`;
    const name = wanted.slice(0, NAME_CHARS_MAX - suffix.length) + suffix;
    if (!used.has(name)) return name;
  }
}
