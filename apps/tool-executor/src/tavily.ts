import { z } from 'zod';
import { Maybe, resultsOf, type SearchProvider } from './search.ts';

const Reply = z.object({ results: z.array(z.object({ title: Maybe, url: Maybe, content: Maybe, published_date: Maybe })) });

/** The Tavily search API: https://docs.tavily.com/documentation/api-reference/endpoint/search. */
export const tavily: SearchProvider = {
  id: 'tavily',
  kinds: new Set(['web', 'news']),
  request: ({ text, kind, count, days, depth, sites }, key) => ({
    path: '/search',
    headers: { authorization: `Bearer ${key}` },
    body: {
      query: text,
      topic: kind === 'news' ? 'news' : 'general',
      search_depth: depth === 'deep' ? 'advanced' : 'basic',
      max_results: count,
      ...(days !== undefined && { time_range: 'week' }),
      ...(sites.length > 0 && { include_domains: sites }),
    },
  }),
  results: (reply) => resultsOf(Reply.parse(reply).results.map(({ title, url, content, published_date: published }) => ({ title, url, snippet: content, published }))),
};
