import type { PlatformToolId, ToolResult } from '@nightshift/contracts';
import { failureResult } from './function-call.ts';
import { SEARCH_TOOLS } from './search.ts';
import type { SearchClient } from './search.client.ts';

/** Why a search tool cannot be used with what is configured; undefined if it can. */
export function searchProblem(id: PlatformToolId, client: SearchClient): string | undefined {
  const tool = SEARCH_TOOLS[id];
  if (!tool || client.can(tool)) return undefined;
  const { configured } = client;
  if (configured.length === 0) return 'no search provider is configured; the operator sets SEARXNG_URL, BRAVE_API_KEY, TAVILY_API_KEY, EXA_API_KEY or SERPER_API_KEY';
  const needs = id === 'find_similar' ? 'EXA_API_KEY' : 'SEARXNG_URL or SERPER_API_KEY';
  return `none of the configured search providers (${configured.join(', ')}) can do it; the operator sets ${needs}`;
}

/** Searches; a provider that fails is an error for the model, never an empty list. */
export async function callSearch(client: SearchClient, id: PlatformToolId, args: { text: string; count?: number | undefined }, signal: AbortSignal): Promise<ToolResult> {
  const { count, sites = [], ...tool } = SEARCH_TOOLS[id] ?? { kind: 'web', depth: 'normal', count: 10 };
  const outcome = await client.search({ ...tool, sites, text: args.text, count: args.count ?? count }, signal);
  if (outcome.ok) return { isError: false, content: { provider: outcome.provider, results: outcome.results } };
  return failureResult('search_failed', outcome.failures.map(({ provider, problem }) => `${provider}: ${problem}`).join('; '));
}
