import { z } from 'zod';
import { atSites, Maybe, resultsOf, type Search, type SearchProvider } from './search.ts';

const Found = z.object({ title: Maybe, link: Maybe, snippet: Maybe, date: Maybe, source: Maybe, publicationInfo: Maybe, year: z.union([z.string(), z.number()]).nullish() });
const Reply = z.union([z.object({ organic: z.array(Found) }).transform(({ organic }) => organic), z.object({ news: z.array(Found) }).transform(({ news }) => news)]);

const PATHS: Partial<Record<Search['kind'], string>> = { news: '/news', papers: '/scholar' };

/** Serper, which searches with Google: https://serper.dev. */
export const serper: SearchProvider = {
  id: 'serper',
  kinds: new Set(['web', 'google', 'news', 'papers']),
  request: ({ text, kind, count, days, sites }, key) => ({
    path: PATHS[kind] ?? '/search',
    headers: { 'x-api-key': key },
    body: { q: atSites(text, sites), num: count, ...(days !== undefined && { tbs: 'qdr:w' }) },
  }),
  results: (reply) =>
    resultsOf(
      Reply.parse(reply).map(({ title, link, snippet, date, source, publicationInfo, year }) => ({
        title,
        url: link,
        snippet,
        published: date ?? (year === undefined || year === null ? undefined : String(year)),
        source: source ?? publicationInfo,
      })),
    ),
};
