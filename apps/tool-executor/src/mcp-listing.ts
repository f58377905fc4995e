import type { McpListing, McpOffer } from '@nightshift/contracts';
import { cleanJson } from '@nightshift/std';

/** A tool as an MCP server describes it. */
export interface McpToolFacts {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly annotations?: { readonly title?: string | undefined; readonly readOnlyHint?: boolean | undefined; readonly idempotentHint?: boolean | undefined } | undefined;
}

const OFFERS_MAX = 128;
const LISTING_BYTES_MAX = 512 * 1024;
const NAMES_TOLD_MAX = 50;
const NAME_CHARS_TOLD = 64;

/** Whether a run may call a tool: names are compared without their case. */
export function isAllowed(allowedTools: readonly string[] | null, name: string): boolean {
  if (allowedTools === null || allowedTools.includes('*')) return true;
  const wanted = name.toLowerCase();
  return allowedTools.some((allowed) => allowed.trim().toLowerCase() === wanted);
}

/** The tool that a name stands for in any case, of those that a run may call. */
export function findTool<T extends Pick<McpToolFacts, 'name'>>(tools: readonly T[], allowedTools: readonly string[] | null, name: string): T | undefined {
  const allowed = tools.filter((tool) => isAllowed(allowedTools, tool.name));
  return allowed.find((tool) => tool.name === name) ?? allowed.find((tool) => tool.name.toLowerCase() === name.trim().toLowerCase());
}

/**
 * What a run is offered of a server's tools: those that it may call, by name, whatever order they came in; of very many the
 * first 128, and 512 KiB.
 */
export function listingOf(tools: readonly McpToolFacts[], allowedTools: readonly string[] | null): McpListing {
  const allowed = tools.filter(({ name }) => isAllowed(allowedTools, name));
  if (allowed.length === 0 && tools.length > 0) return { offers: [], error: `The server has none of the tools that the run may call. ${namesOf(tools)}` };
  let room = LISTING_BYTES_MAX;
  const offers = allowed
    .toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
    .slice(0, OFFERS_MAX)
    .map(offerOf)
    .filter((offer) => (room -= Buffer.byteLength(JSON.stringify(offer))) >= 0);
  return { offers };
}

/** The names of a server's tools, for the model. */
export function namesOf(tools: readonly Pick<McpToolFacts, 'name'>[]): string {
  const names = tools.map(({ name }) => name.slice(0, NAME_CHARS_TOLD).toWellFormed()).toSorted();
  const more = names.length > NAMES_TOLD_MAX ? ` and ${names.length - NAMES_TOLD_MAX} more` : '';
  return names.length === 0 ? 'It has no tools.' : `It has: ${names.slice(0, NAMES_TOLD_MAX).join(', ')}${more}.`;
}

function offerOf({ name, title, description, inputSchema, annotations }: McpToolFacts): McpOffer {
  const text = description || title || annotations?.title;
  return cleanJson({
    name,
    ...(text && { description: text }),
    inputSchema,
    isRepeatable: annotations?.readOnlyHint === true || annotations?.idempotentHint === true,
  }) as McpOffer;
}
