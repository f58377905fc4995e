import { z } from 'zod';

const Url = z.string().max(2048).describe('An http or https URL.');

const Search = z.object({
  query: z.string().trim().min(1).max(1000).describe('What to search for.'),
  max_results: z.coerce.number().int().min(1).max(20).optional().describe('How many results at most, 1 to 20.'),
});

const SimilarPages = z.object({ url: Url.describe('The page that the others should resemble.'), max_results: Search.shape.max_results });

const Page = z.object({
  url: Url.describe('The page to read: http or https; HTML, PDF or text.'),
  start: z.coerce.number().int().min(0).optional().describe('Where in the text to begin: `nextStart` of the previous part.'),
});

const Calculation = z.object({
  expression: z
    .string()
    .trim()
    .min(1)
    .max(1000)
    .describe('Such as (1 + 2.5) * 3 ^ 2, 15% * 80 or sqrt(2) / sin(pi / 6). Operators: + - * / % ^ !; angles are in radians.'),
});

interface PlatformToolSpec {
  readonly description: string;
  /** What the model gives; also how it is checked. */
  readonly arguments: z.ZodObject;
}

/** Every built-in tool, with what the model is told of it. */
export const PLATFORM_TOOL_SPECS = {
  web_search: { description: 'Searches the web. Gives titles, URLs and excerpts of pages.', arguments: Search },
  fast_search: { description: 'Searches the web and gives the few best results, quickly.', arguments: Search },
  fresh_search: { description: 'Searches the web for what was published in the last 7 days.', arguments: Search },
  deep_search: { description: 'Searches the web thoroughly: more results, with longer excerpts where there are any.', arguments: Search },
  google_search: { description: 'Searches with Google.', arguments: Search },
  news_search: { description: 'Searches for news articles.', arguments: Search },
  people_search: { description: 'Searches for profiles of people.', arguments: Search },
  company_search: { description: 'Searches for companies.', arguments: Search },
  tweet_search: { description: 'Searches for posts on X (Twitter).', arguments: Search },
  research_paper_search: { description: 'Searches for research papers.', arguments: Search },
  find_similar: { description: 'Finds pages that resemble a given one.', arguments: SimilarPages },
  page_reader: { description: 'Reads a web page or PDF and gives its text as Markdown. A long text comes in parts.', arguments: Page },
  calculator: { description: 'Calculates an arithmetic expression with 34 significant digits.', arguments: Calculation },
} as const satisfies Record<string, PlatformToolSpec>;

/** The id of a built-in tool. */
export type PlatformToolId = keyof typeof PLATFORM_TOOL_SPECS;

const ALIASES: Readonly<Record<string, PlatformToolId>> = {
  parallel_search: 'web_search',
  exa_search: 'web_search',
  webpage_understanding: 'page_reader',
  exa_crawl: 'page_reader',
  parallel_extract: 'page_reader',
  exa_find_similar: 'find_similar',
};

/** Built-in tools by every id that clients use, with the id they stand for. */
export const PLATFORM_TOOLS: Readonly<Record<string, PlatformToolId>> = {
  ...Object.fromEntries((Object.keys(PLATFORM_TOOL_SPECS) as PlatformToolId[]).map((id) => [id, id])),
  ...ALIASES,
};

/** The built-in tool that an id stands for; undefined for any other id. */
export function platformToolOf(id: string): PlatformToolId | undefined {
  return Object.hasOwn(PLATFORM_TOOLS, id) ? PLATFORM_TOOLS[id] : undefined;
}

/** The other ids of a built-in tool. */
export function aliasesOf(id: PlatformToolId): string[] {
  return Object.keys(ALIASES).filter((alias) => ALIASES[alias] === id);
}

const schemas = new Map<PlatformToolId, Record<string, unknown>>();

/** The JSON Schema of a built-in tool's arguments. */
export function platformParameters(id: PlatformToolId): Record<string, unknown> {
  const known = schemas.get(id);
  if (known) return known;
  const { $schema: _, ...schema } = z.toJSONSchema(PLATFORM_TOOL_SPECS[id].arguments, { io: 'input' }) as Record<string, unknown>;
  schemas.set(id, schema);
  return schema;
}
