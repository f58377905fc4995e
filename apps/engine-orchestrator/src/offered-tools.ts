import { PLATFORM_TOOL_SPECS, platformParameters, platformToolOf, type RunRequest, type SealedTool } from '@nightshift/contracts';
import { assertNever, visibleParameters } from '@nightshift/std';
import { mcpOffers, mcpToolsOf, type OfferedTool } from './mcp-offers.ts';
import type { ModelTool } from './model.ts';
import { type OwnNames, ownNames } from './planner.ts';
import type { JournalEntry } from './session.ts';

const ANYTHING = { type: 'object', properties: {}, additionalProperties: true };

/** What a run offers its model: its tools, by the name they are called by, and the names of our own functions. */
export interface Offers {
  readonly tools: ReadonlyMap<string, OfferedTool>;
  readonly names: OwnNames;
}

/** What is offered in every turn of a run. It takes as long as the run has tools, so whoever needs both asks once. */
export function offersOf({ tools, answerFormat }: Pick<RunRequest, 'tools' | 'answerFormat'>, journal: readonly JournalEntry[]): Offers {
  const offered = offeredTools(tools, journal);
  return { tools: offered, names: ownNames(offered.keys(), answerFormat !== undefined) };
}

/** The tools of a run as they are offered to the model, in the order given; the first of a name wins. Those of MCP servers come last, as the journal says that they were listed. */
export function offeredTools(tools: readonly SealedTool[], journal: readonly JournalEntry[]): Map<string, OfferedTool> {
  const offered = new Map<string, OfferedTool>();
  for (const tool of tools) {
    const offer = offerOf(tool);
    if (offer && !offered.has(offer.name)) offered.set(offer.name, { offer, tool });
  }
  const servers = mcpToolsOf(tools);
  if (servers.length === 0) return offered;
  const listings = journal.find((entry) => entry.kind === 'listings')?.listings ?? [];
  for (const mcp of mcpOffers(servers, listings, new Set(offered.keys()))) offered.set(mcp.offer.name, mcp);
  return offered;
}

function offerOf(tool: SealedTool): ModelTool | undefined {
  switch (tool.type) {
    case 'function':
      return { name: tool.name, ...(tool.description !== undefined && { description: tool.description }), parameters: visibleParameters(tool.parameters, tool.hidden) };
    case 'platform':
      return platformOffer(tool);
    case 'mcp':
      return undefined;
    default:
      return assertNever(tool);
  }
}

/** A built-in tool under the id that the run gives it, without the parameters that its options set. */
function platformOffer({ id, options }: Extract<SealedTool, { type: 'platform' }>): ModelTool {
  const builtIn = platformToolOf(id);
  if (builtIn === undefined) return { name: id, description: `Platform tool ${id}.`, parameters: ANYTHING };
  return { name: id, description: PLATFORM_TOOL_SPECS[builtIn].description, parameters: visibleParameters(platformParameters(builtIn), Object.keys(options ?? {})) };
}
