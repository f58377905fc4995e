import { PLATFORM_TOOL_SPECS, platformParameters, platformToolOf, type SealedTool } from '@nightshift/contracts';
import { assertNever, visibleParameters } from '@nightshift/std';
import type { ModelTool } from './model.ts';

/** A tool as the model sees it, and the one it stands for. */
export interface OfferedTool {
  readonly offer: ModelTool;
  readonly tool: SealedTool;
}

const ANYTHING = { type: 'object', properties: {}, additionalProperties: true };

/** The tools of a run as they are offered to the model, in the order given; the first of a name wins. */
export function offeredTools(tools: readonly SealedTool[]): Map<string, OfferedTool> {
  const offered = new Map<string, OfferedTool>();
  for (const tool of tools) {
    for (const offer of offersOf(tool)) if (!offered.has(offer.name)) offered.set(offer.name, { offer, tool });
  }
  return offered;
}

function offersOf(tool: SealedTool): ModelTool[] {
  switch (tool.type) {
    case 'function':
      return [{ name: tool.name, ...(tool.description !== undefined && { description: tool.description }), parameters: visibleParameters(tool.parameters, tool.hidden) }];
    case 'platform':
      return [platformOffer(tool)];
    case 'mcp':
      return (tool.allowedTools ?? []).filter((name) => name !== '*').map((name) => ({ name, description: `Tool ${name} of an MCP server.`, parameters: ANYTHING }));
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
