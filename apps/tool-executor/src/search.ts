import type { PlatformToolId } from '@nightshift/contracts';
import { z } from 'zod';

/** What is searched: a provider either has an index of its own for it, or its web index is searched at a few sites. */
export type SearchKind = 'web' | 'google' | 'news' | 'papers' | 'people' | 'companies' | 'posts' | 'similar';

/** One search. `text` is a query, or the address of a page for `similar`. */
export interface Search {
  readonly text: string;
  readonly kind: SearchKind;
  readonly depth: 'fast' | 'normal' | 'deep';
  /** How many results at most. */
  readonly count: number;
  /** Only what was published in the last days. */
  readonly days?: 7;
  /** Only these sites, with or without a path; none where the provider has an index for the kind. */
  readonly sites: readonly string[];
}

/** One result, in the same shape from every provider. */
export interface SearchResult {
  readonly title: string;
  readonly url: string;
  readonly snippet: string;
  /** As the provider says it: a date, or words such as "2 days ago". */
  readonly published?: string;
  /** Who published it. */
  readonly source?: string;
}

/** A request to a provider, below its base URL. */
export interface SearchRequest {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent by POST as JSON; without it the request is a GET. */
  readonly body?: unknown;
}

/** How one provider is spoken to. */
export interface SearchProvider {
  readonly id: string;
  /** What it has an index for. */
  readonly kinds: ReadonlySet<SearchKind>;
  request(search: Search, key: string, now: Date): SearchRequest;
  /** The results of a reply. Throws ZodError for one that is not the provider's. */
  results(reply: unknown): SearchResult[];
}

/** What one of the built-in tools searches. */
export type SearchTool = Pick<Search, 'kind' | 'depth' | 'count'> & Partial<Pick<Search, 'days' | 'sites'>>;

/** What each built-in search tool searches. */
export const SEARCH_TOOLS: Readonly<Partial<Record<PlatformToolId, SearchTool>>> = {
  web_search: { kind: 'web', depth: 'normal', count: 10 },
  fast_search: { kind: 'web', depth: 'fast', count: 5 },
  fresh_search: { kind: 'web', depth: 'normal', count: 10, days: 7 },
  deep_search: { kind: 'web', depth: 'deep', count: 20 },
  google_search: { kind: 'google', depth: 'normal', count: 10 },
  news_search: { kind: 'news', depth: 'normal', count: 10 },
  people_search: { kind: 'people', depth: 'normal', count: 10, sites: ['linkedin.com/in'] },
  company_search: { kind: 'companies', depth: 'normal', count: 10, sites: ['linkedin.com/company', 'crunchbase.com/organization'] },
  tweet_search: { kind: 'posts', depth: 'normal', count: 10, sites: ['x.com', 'twitter.com'] },
  research_paper_search: { kind: 'papers', depth: 'normal', count: 10, sites: ['arxiv.org', 'semanticscholar.org', 'pubmed.ncbi.nlm.nih.gov', 'openreview.net'] },
  find_similar: { kind: 'similar', depth: 'normal', count: 10 },
};

/** The providers that can do a search, best first: those with an index for it, then those whose web index is searched at its sites. */
export function providersFor<P extends Pick<SearchProvider, 'kinds'>>({ kind, sites = [] }: Pick<SearchTool, 'kind' | 'sites'>, providers: readonly P[]): P[] {
  const own = providers.filter(({ kinds }) => kinds.has(kind));
  return sites.length === 0 ? own : [...own, ...providers.filter(({ kinds }) => !kinds.has(kind) && kinds.has('web'))];
}

/** A query that engines with the `site:` operator restrict to sites. */
export function atSites(text: string, sites: readonly string[]): string {
  const filter = sites.map((site) => `site:${site}`).join(' OR ');
  if (sites.length === 0) return text;
  return sites.length === 1 ? `${text} ${filter}` : `${text} (${filter})`;
}

const SNIPPET_CHARS_MAX = 4000;

/** A result without what is empty, its excerpt cut; undefined for one without an address. */
export function resultOf(found: { title?: string | null | undefined; url?: string | null | undefined; snippet?: string | null | undefined; published?: string | null | undefined; source?: string | null | undefined }): SearchResult | undefined {
  if (!found.url) return undefined;
  const { published, source } = found;
  return { title: found.title ?? '', url: found.url, snippet: (found.snippet ?? '').slice(0, SNIPPET_CHARS_MAX).toWellFormed(), ...(published && { published }), ...(source && { source }) };
}

/** The results of a list, without those that have no address. */
export function resultsOf(found: readonly Parameters<typeof resultOf>[0][]): SearchResult[] {
  return found.flatMap((one) => resultOf(one) ?? []);
}

/** A text that a provider may leave out or give as null. */
export const Maybe = z.string().nullish();
