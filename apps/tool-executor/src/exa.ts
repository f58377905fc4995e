import { z } from 'zod';
import { Maybe, resultsOf, type Search, type SearchProvider } from './search.ts';

const Reply = z.object({ results: z.array(z.object({ title: Maybe, url: Maybe, publishedDate: Maybe, author: Maybe, highlights: z.array(z.string()).nullish(), text: Maybe })) });

const CATEGORIES: Partial<Record<Search['kind'], string>> = { news: 'news', papers: 'research paper', people: 'people', companies: 'company' };
const TYPES: Record<Search['depth'], string> = { fast: 'fast', normal: 'auto', deep: 'deep' };
const DAY_MS = 86_400_000;

/** The Exa API: https://exa.ai/docs/reference/search and …/find-similar-links. */
export const exa: SearchProvider = {
  id: 'exa',
  kinds: new Set(['web', 'news', 'papers', 'people', 'companies', 'similar']),
  request: ({ text, kind, count, days, depth, sites }, key, now) => {
    const contents = { highlights: true };
    const headers = { 'x-api-key': key };
    if (kind === 'similar') return { path: '/findSimilar', headers, body: { url: text, numResults: count, excludeSourceDomain: true, contents } };
    const category = CATEGORIES[kind];
    return {
      path: '/search',
      headers,
      body: {
        query: text,
        type: TYPES[depth],
        numResults: count,
        ...(category !== undefined && { category }),
        ...(sites.length > 0 && { includeDomains: sites }),
        ...(days !== undefined && { startPublishedDate: new Date(now.getTime() - days * DAY_MS).toISOString() }),
        contents,
      },
    };
  },
  results: (reply) =>
    resultsOf(Reply.parse(reply).results.map(({ title, url, publishedDate, author, highlights, text }) => ({ title, url, snippet: highlights?.join('\n') || text, published: publishedDate, source: author }))),
};
