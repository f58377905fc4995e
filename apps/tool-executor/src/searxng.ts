import { z } from 'zod';
import { atSites, Maybe, resultsOf, type Search, type SearchProvider } from './search.ts';

const Reply = z.object({ results: z.array(z.object({ title: Maybe, url: Maybe, content: Maybe, publishedDate: Maybe, engine: Maybe })) });

const CATEGORIES: Partial<Record<Search['kind'], string>> = { news: 'news', papers: 'science' };

/** SearXNG, self-hosted: https://docs.searxng.org/dev/search_api.html. Its `settings.yml` has to allow the format `json`. */
export const searxng: SearchProvider = {
  id: 'searxng',
  kinds: new Set(['web', 'google', 'news', 'papers']),
  request: ({ text, kind, days, sites }) => ({
    path: '/search',
    query: {
      q: atSites(text, sites),
      format: 'json',
      categories: CATEGORIES[kind] ?? 'general',
      ...(kind === 'google' && { engines: 'google' }),
      ...(days !== undefined && { time_range: 'week' }),
    },
    headers: {},
  }),
  results: (reply) => resultsOf(Reply.parse(reply).results.map(({ title, url, content, publishedDate, engine }) => ({ title, url, snippet: content, published: publishedDate, source: engine }))),
};
