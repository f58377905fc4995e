import { z } from 'zod';
import { atSites, Maybe, resultsOf, type SearchProvider } from './search.ts';

const Found = z.object({ title: Maybe, url: Maybe, description: Maybe, page_age: Maybe, age: Maybe, extra_snippets: z.array(z.string()).nullish(), profile: z.object({ name: Maybe }).nullish(), meta_url: z.object({ hostname: Maybe }).nullish() });
const Reply = z.object({ type: z.enum(['search', 'news']), web: z.object({ results: z.array(Found) }).nullish(), results: z.array(Found).nullish() });

const QUERY_CHARS_MAX = 400;
const QUERY_WORDS_MAX = 50;

/** The Brave Search API: https://api-dashboard.search.brave.com/api-reference/web/search/get. */
export const brave: SearchProvider = {
  id: 'brave',
  kinds: new Set(['web', 'news']),
  request: ({ text, kind, count, days, depth, sites }, key) => ({
    path: kind === 'news' ? '/res/v1/news/search' : '/res/v1/web/search',
    query: {
      q: atSites(shortened(text, atSites('', sites)), sites),
      count: String(count),
      ...(days !== undefined && { freshness: 'pw' }),
      ...(kind !== 'news' && { text_decorations: 'false', result_filter: 'web' }),
      ...(depth === 'deep' && { extra_snippets: 'true' }),
    },
    headers: { 'x-subscription-token': key },
  }),
  results: (reply) => {
    const { web, results } = Reply.parse(reply);
    return resultsOf(
      (web?.results ?? results ?? []).map(({ title, url, description, page_age: pageAge, age, extra_snippets: more, profile, meta_url: place }) => ({
        title,
        url,
        snippet: [description ?? '', ...(more ?? [])].join('\n').trim(),
        published: pageAge ?? age,
        source: profile?.name ?? place?.hostname,
      })),
    );
  },
};

/** A query within Brave's bounds, with room for what is added to it. */
function shortened(text: string, added: string): string {
  const words = text.split(/\s+/).slice(0, QUERY_WORDS_MAX - added.split(/\s+/).filter(Boolean).length);
  return words.join(' ').slice(0, QUERY_CHARS_MAX - added.length - 1);
}
