import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { PLATFORM_TOOLS, type ToolResult } from '@nightshift/contracts';
import { createEgress, type Egress } from '@nightshift/http';
import { searchProviders, ToolEnvironment } from '../src/config.ts';
import { Documents } from '../src/documents.client.ts';
import { PlatformTools } from '../src/platform.tool.ts';
import { SearchClient } from '../src/search.client.ts';

interface Seen {
  readonly provider: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly body: Record<string, unknown>;
}

const KEY = 'canary-provider-key';
const PROVIDERS = ['searxng', 'brave', 'tavily', 'exa', 'serper'] as const;
type Provider = (typeof PROVIDERS)[number];

/** How each provider authenticates, and what it answers; as their documentation shows it. */
const FAKES: Record<Provider, { method: string; header?: [string, string]; reply: (path: string) => object }> = {
  searxng: {
    method: 'GET',
    reply: () => ({ query: 'q', number_of_results: 0, results: [{ url: 'https://a.example/', title: 'A', content: 'about a', publishedDate: '2026-01-02T00:00:00', engine: 'duckduckgo', engines: ['duckduckgo'], score: 1, category: 'general' }], answers: [], infoboxes: [], suggestions: [], unresponsive_engines: [] }),
  },
  brave: {
    method: 'GET',
    header: ['x-subscription-token', KEY],
    reply: (path) =>
      path.includes('/news/')
        ? { type: 'news', query: { original: 'q' }, results: [{ type: 'news_result', url: 'https://a.example/', title: 'A', description: 'about a', age: '2 days ago', page_age: '2026-01-02T00:00:00', meta_url: { hostname: 'a.example' } }] }
        : { type: 'search', query: { original: 'q' }, web: { type: 'search', results: [{ title: 'A', url: 'https://a.example/', description: 'about a', page_age: '2026-01-02T00:00:00', profile: { name: 'A Site' }, extra_snippets: ['more of a'] }] } },
  },
  tavily: {
    method: 'POST',
    header: ['authorization', `Bearer ${KEY}`],
    reply: () => ({ query: 'q', answer: null, images: [], results: [{ title: 'A', url: 'https://a.example/', content: 'about a', score: 0.8, raw_content: null, published_date: 'Fri, 02 Jan 2026 00:00:00 GMT' }], response_time: '1.67', request_id: 'r' }),
  },
  exa: {
    method: 'POST',
    header: ['x-api-key', KEY],
    reply: () => ({ requestId: 'r', results: [{ id: 'https://a.example/', title: 'A', url: 'https://a.example/', publishedDate: '2026-01-02T00:00:00.000Z', author: 'Somebody', highlights: ['about a', 'more of a'], highlightScores: [0.4, 0.3] }], costDollars: { total: 0.005 } }),
  },
  serper: {
    method: 'POST',
    header: ['x-api-key', KEY],
    reply: (path) =>
      path === '/news'
        ? { searchParameters: { q: 'q', type: 'news' }, news: [{ title: 'A', link: 'https://a.example/', snippet: 'about a', date: '2 days ago', source: 'A Site', imageUrl: 'https://a.example/i.png', position: 1 }], credits: 1 }
        : path === '/scholar'
          ? { searchParameters: { q: 'q', type: 'scholar' }, organic: [{ title: 'A', link: 'https://a.example/', publicationInfo: 'S Body - Journal, 2026', snippet: 'about a', year: 2026, citedBy: 3 }], credits: 1 }
          : { searchParameters: { q: 'q', type: 'search' }, organic: [{ title: 'A', link: 'https://a.example/', snippet: 'about a', date: 'Jan 2, 2026', position: 1 }], credits: 1 },
  },
};

let seen: Seen[];
let broken: Partial<Record<Provider, { status: number; body: string }>>;
let origin: string;
let egress: Egress;

const server = createServer((req, res) => {
  const url = new URL(req.url ?? '/', 'http://fake');
  const [, provider = '', ...rest] = url.pathname.split('/');
  const path = `/${rest.join('/')}`;
  let text = '';
  req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  req.on('end', () => {
    const fake = FAKES[provider as Provider];
    seen.push({ provider, path, query: Object.fromEntries(url.searchParams), body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) });
    const isAllowed = req.method === fake.method && (!fake.header || req.headers[fake.header[0]] === fake.header[1]);
    const { status, body } = broken[provider as Provider] ?? (isAllowed ? { status: 200, body: JSON.stringify(fake.reply(path)) } : { status: 401, body: `{"error":"not ${KEY}"}` });
    res.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  egress = createEgress({ allow: ['0.0.0.0/0', '::/0'] });
});
afterAll(async () => {
  await egress.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  seen = [];
  broken = {};
});

/** The built-in tools of a server on which these providers are configured. */
function toolsWith(...providers: Provider[]): PlatformTools {
  const environment = ToolEnvironment.parse({
    SEAL_PRIVATE_KEY: Buffer.alloc(32).toString('base64'),
    ...Object.fromEntries(providers.flatMap((id) => [[`${id.toUpperCase()}_URL`, `${origin}/${id}/`], ...(id === 'searxng' ? [] : [[`${id.toUpperCase()}_API_KEY`, KEY]])])),
  });
  return new PlatformTools(egress, new Documents(), new SearchClient(searchProviders(environment), egress));
}

const call = (tools: PlatformTools, id: string, args: Record<string, unknown> = { query: 'two boats' }): Promise<ToolResult> => tools.call({ tool: { type: 'platform', id }, arguments: args, orgId: 'org_1', signal: new AbortController().signal, allow: [] });

describe.each(PROVIDERS)('%s', (id) => {
  test('is asked as its documentation says, and its results have the shape of every other', async () => {
    const result = { title: 'A', url: 'https://a.example/', snippet: expect.stringMatching(/^about a(\nmore of a)?$/), published: expect.stringMatching(/Jan 2, 2026|02 Jan 2026|2026-01-02/) };
    expect(await call(toolsWith(id), 'web_search')).toMatchObject({ isError: false, content: { provider: id, results: [result] } });
    expect(seen).toHaveLength(1);
  });

  test('is asked for news', async () => {
    expect(await call(toolsWith(id), 'news_search')).toMatchObject({ isError: false, content: { provider: id, results: [{ title: 'A', published: expect.any(String) }] } });
  });

  test.each([
    ['a status that is not 200', { status: 429, body: `{"detail":"too often with ${KEY}"}` }, '429'],
    ['another format', { status: 200, body: '{"unheard":true}' }, 'format'],
    ['no JSON', { status: 200, body: '<html>' }, 'format'],
  ])('that answers with %s is an error for the model, never an empty list, and shows no key', async (_, reply, words) => {
    broken = { [id]: reply };
    const result = await call(toolsWith(id), 'web_search');
    expect(result).toMatchObject({ isError: true, errorCode: 'search_failed', content: { message: expect.stringContaining(words) } });
    expect(JSON.stringify(result)).not.toContain(KEY);
  });
});

describe('a search', () => {
  const asked = async (provider: Provider, tool: string, args?: Record<string, unknown>) => {
    await call(toolsWith(provider), tool, args);
    return { path: seen[0]?.path, ...seen[0]?.query, ...seen[0]?.body } as Record<string, unknown>;
  };

  test.each<[string, Provider, object]>([
    ['web_search', 'searxng', { path: '/search', q: 'two boats', format: 'json', categories: 'general' }],
    ['fresh_search', 'searxng', { time_range: 'week' }],
    ['google_search', 'searxng', { engines: 'google' }],
    ['research_paper_search', 'searxng', { categories: 'science', q: 'two boats' }],
    ['people_search', 'searxng', { q: 'two boats site:linkedin.com/in' }],
    ['web_search', 'brave', { path: '/res/v1/web/search', q: 'two boats', count: '10', text_decorations: 'false' }],
    ['fresh_search', 'brave', { freshness: 'pw' }],
    ['news_search', 'brave', { path: '/res/v1/news/search' }],
    ['deep_search', 'brave', { count: '20', extra_snippets: 'true' }],
    ['tweet_search', 'brave', { q: 'two boats (site:x.com OR site:twitter.com)' }],
    ['web_search', 'tavily', { path: '/search', query: 'two boats', topic: 'general', search_depth: 'basic', max_results: 10 }],
    ['fresh_search', 'tavily', { time_range: 'week' }],
    ['deep_search', 'tavily', { search_depth: 'advanced', max_results: 20 }],
    ['company_search', 'tavily', { include_domains: ['linkedin.com/company', 'crunchbase.com/organization'] }],
    ['fast_search', 'exa', { path: '/search', type: 'fast', numResults: 5 }],
    ['fresh_search', 'exa', { type: 'auto', startPublishedDate: expect.stringMatching(/^20\d\d-.*Z$/) }],
    ['people_search', 'exa', { category: 'people', query: 'two boats' }],
    ['company_search', 'exa', { category: 'company' }],
    ['research_paper_search', 'exa', { category: 'research paper' }],
    ['tweet_search', 'exa', { includeDomains: ['x.com', 'twitter.com'] }],
    ['google_search', 'serper', { path: '/search', q: 'two boats', num: 10 }],
    ['fresh_search', 'serper', { tbs: 'qdr:w' }],
    ['news_search', 'serper', { path: '/news' }],
    ['research_paper_search', 'serper', { path: '/scholar', q: 'two boats' }],
  ])('%s asks %s for what it is about', async (tool, provider, expected) => {
    expect(await asked(provider, tool)).toMatchObject(expected);
  });

  test('for similar pages gives the page', async () => {
    expect(await asked('exa', 'exa_find_similar', { url: 'https://a.example/', max_results: 3 })).toMatchObject({ path: '/findSimilar', url: 'https://a.example/', numResults: 3 });
  });

  test('gives as many results as the model wants, though the provider sends more', async () => {
    broken = { searxng: { status: 200, body: JSON.stringify({ results: Array.from({ length: 30 }, (_, index) => ({ url: `https://a.example/${index}`, title: 'A', content: '' })) }) } };
    expect(((await call(toolsWith('searxng'), 'web_search', { query: 'q', max_results: '3' })).content as { results: unknown[] }).results).toHaveLength(3);
  });

  test('without results says so, and leaves out what has no address', async () => {
    broken = { brave: { status: 200, body: '{"type":"search","query":{"original":"q"}}' }, tavily: { status: 200, body: '{"results":[{"title":"none","url":null},{"title":"\\u0000A","url":"https://a.example/","content":null}]}' } };
    expect(await call(toolsWith('brave'), 'web_search')).toMatchObject({ isError: false, content: { results: [] } });
    expect((await call(toolsWith('tavily'), 'web_search')).content).toEqual({ provider: 'tavily', results: [{ title: 'A', url: 'https://a.example/', snippet: '' }] });
  });

  test('with words beyond what Brave takes is cut to it', async () => {
    const q = String((await asked('brave', 'tweet_search', { query: 'word '.repeat(199) }))['q']);
    expect(q.length).toBeLessThanOrEqual(400);
    expect(q.split(' ').length).toBeLessThanOrEqual(50);
    expect(q).toMatch(/^word word/);
    expect(q).toMatch(/\(site:x.com OR site:twitter.com\)$/);
  });

  test('asks the operator’s own server first, one with an index of its own before that, and the next when one fails', async () => {
    const tools = toolsWith('serper', 'exa', 'searxng', 'brave');
    expect((await call(tools, 'web_search')).content).toMatchObject({ provider: 'searxng' });
    expect((await call(tools, 'people_search')).content).toMatchObject({ provider: 'exa' });
    broken = { searxng: { status: 403, body: '' } };
    expect((await call(tools, 'web_search')).content).toMatchObject({ provider: 'brave' });
    broken = { searxng: { status: 403, body: '' }, brave: { status: 500, body: '' }, exa: { status: 200, body: '[]' }, serper: { status: 401, body: '' } };
    expect(await call(tools, 'web_search')).toMatchObject({ isError: true, content: { message: 'searxng: answered with status 403; brave: answered with status 500; exa: gave a reply that is not in its format; serper: answered with status 401' } });
  });

  test('that is given up has no result', async () => {
    await expect(toolsWith('searxng').call({ tool: { type: 'platform', id: 'web_search' }, arguments: { query: 'q' }, orgId: 'org_1', signal: AbortSignal.abort(), allow: [] })).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('what is available', () => {
  const available = (...providers: Provider[]) => toolsWith(...providers).list().filter((tool) => tool.available).map((tool) => tool.id);
  const without = (...ids: string[]) => [...new Set(Object.values(PLATFORM_TOOLS))].filter((id) => !ids.includes(id));

  test.each<[Provider[], string[]]>([
    [[], ['calculator', 'page_reader']],
    [['searxng'], without('find_similar')],
    [['brave'], without('find_similar', 'google_search')],
    [['tavily'], without('find_similar', 'google_search')],
    [['exa'], without('google_search')],
    [['serper'], without('find_similar')],
    [['searxng', 'exa'], without()],
  ])('with %j', (providers, ids) => {
    expect(available(...providers).toSorted()).toEqual(ids.toSorted());
  });

  test('not, says why, in the list and to the model alike', async () => {
    const tools = toolsWith('brave');
    for (const [id, words] of [['find_similar', 'EXA_API_KEY'], ['google_search', 'SERPER_API_KEY']] as const) {
      expect(tools.get(id)).toMatchObject({ available: false, reason: expect.stringContaining(words) });
      expect(await call(tools, id, { query: 'q', url: 'https://a.example/' })).toMatchObject({ isError: true, errorCode: 'not_available', content: { message: expect.stringContaining(words) } });
    }
    expect(toolsWith().get('web_search')?.reason).toContain('SEARXNG_URL');
    expect(seen).toEqual([]);
  });
});
