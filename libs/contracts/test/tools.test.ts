import { describe, expect, test } from '@jest/globals';
import { aliasesOf, PLATFORM_TOOL_SPECS, PLATFORM_TOOLS, platformParameters, type PlatformToolId, platformToolOf, SaveTool, UpdateTool } from '@nightshift/contracts';

const ids = Object.keys(PLATFORM_TOOL_SPECS) as PlatformToolId[];

describe('a built-in tool', () => {
  test.each(ids)('%s tells the model in a schema what it takes, and every property says what it is', (id) => {
    const parameters = platformParameters(id) as { type: string; properties: Record<string, { description?: string; type?: string }>; required?: string[] };
    expect(parameters).toMatchObject({ type: 'object', required: [expect.any(String)] });
    for (const property of Object.values(parameters.properties)) expect(property).toMatchObject({ type: expect.any(String), description: expect.any(String) });
    expect(PLATFORM_TOOL_SPECS[id].description.length).toBeGreaterThan(10);
  });

  test('is found by the ids of every generation', () => {
    const generations = [
      'web_search', 'webpage_understanding', 'parallel_search', 'parallel_extract', 'exa_search', 'exa_crawl', 'exa_find_similar', 'fast_search', 'fresh_search', 'page_reader',
      'find_similar', 'people_search', 'company_search', 'news_search', 'tweet_search', 'research_paper_search', 'google_search', 'calculator', 'deep_search',
    ];
    expect(Object.keys(PLATFORM_TOOLS).toSorted()).toEqual(generations.toSorted());
    for (const id of generations) expect(ids).toContain(platformToolOf(id));
    expect(aliasesOf('page_reader')).toEqual(['webpage_understanding', 'exa_crawl', 'parallel_extract']);
    for (const id of ['unheard', 'constructor', '__proto__', '']) expect(platformToolOf(id)).toBeUndefined();
  });
});

describe('a tool to save', () => {
  const lookup = { name: 'lookup', url: 'https://example.com/x' };

  test('is a function, flat or nested, or an MCP server with a name', () => {
    expect(SaveTool.parse({ type: 'function', ...lookup })).toMatchObject({ type: 'function', ...lookup, method: 'POST' });
    expect(SaveTool.parse({ type: 'function', function: lookup })).toMatchObject({ type: 'function', ...lookup });
    expect(SaveTool.parse({ type: 'mcp', name: 'files', url: 'https://mcp.example.com' })).toMatchObject({ type: 'mcp', name: 'files' });
  });

  test.each([{ type: 'mcp', url: 'https://mcp.example.com' }, { type: 'mcp', name: 'files' }, { type: 'mcp', name: 'two words', url: 'https://mcp.example.com' }, { type: 'platform', id: 'web_search' }, { type: 'web_search' }, { type: 'function', name: 'x' }, null, []])('is nothing else: %j', (tool) => {
    expect(SaveTool.safeParse(tool).success).toBe(false);
  });

  test('changes only in what is given: nothing has a default', () => {
    expect(UpdateTool.parse({})).toEqual({});
    expect(UpdateTool.parse({ method: 'get', headers: null, unknown: 1 })).toEqual({ method: 'GET', headers: null });
    for (const wrong of [{ url: 'file:///x' }, { name: 'two words' }, { timeout: 0 }, { retry: 'sometimes' }]) expect(UpdateTool.safeParse(wrong).success).toBe(false);
  });
});
