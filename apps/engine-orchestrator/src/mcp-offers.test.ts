import { describe, expect, test } from '@jest/globals';
import type { McpListing, McpOffer, SealedMcpTool } from '@nightshift/contracts';
import fc from 'fast-check';
import { mcpOffers, mcpToolsOf } from './mcp-offers.ts';

const server = (url: string, allowedTools: string[] | null = null): SealedMcpTool => ({ type: 'mcp', url, allowedTools, sealed: 'sealed:v1:x' });
const offer = (name: string, more: Partial<McpOffer> = {}): McpOffer => ({ name, inputSchema: { type: 'object' }, isRepeatable: false, ...more });
const listed = (...names: string[]): McpListing => ({ offers: names.map((name) => offer(name)) });
const names = (servers: SealedMcpTool[], listings: McpListing[], taken: string[] = []) => mcpOffers(servers, listings, new Set(taken)).map((one) => one.offer.name);
const a = server('https://mcp.a.com/x');
const b = server('https://b.com/mcp');

describe('the tools of MCP servers', () => {
  test('are offered under their names, with their descriptions and schemas, and stand for one tool of their server', () => {
    const schema = { type: 'object', properties: { q: { type: 'string' } } };
    expect(mcpOffers([a], [{ offers: [offer('search', { description: 'Finds.', inputSchema: schema, isRepeatable: true }), offer('write')] }], new Set())).toEqual([
      { offer: { name: 'search', description: 'Finds.', parameters: schema }, tool: { ...a, target: { name: 'search', isListed: true, isRepeatable: true } } },
      { offer: { name: 'write', description: 'Tool write of the MCP server a_com.', parameters: { type: 'object' } }, tool: { ...a, target: { name: 'write', isListed: true, isRepeatable: false } } },
    ]);
  });

  test('get their server’s name in front where another tool has theirs, whichever comes first', () => {
    expect(names([a, b], [listed('search', 'read'), listed('search', 'write')])).toEqual(['a_com_search', 'read', 'b_com_search', 'write']);
    expect(names([a], [listed('search', 'read')], ['search'])).toEqual(['a_com_search', 'read']);
  });

  test('get a number where even that is taken, as with one server that is given twice', () => {
    expect(names([a, a], [listed('x'), listed('x')])).toEqual(['a_com_x', 'a_com_x_2']);
    expect(names([a, b], [listed('x', 'a_com_x'), listed('x')])).toEqual(['a_com_x_2', 'a_com_x', 'b_com_x']);
  });

  test('have names that models take, whatever the server calls them, each only once', () => {
    const name = fc.oneof(fc.string({ maxLength: 140 }), fc.constantFrom('a.b', 'a b', 'a_b', '', 'ü', 'x'.repeat(64), 'x'.repeat(70)));
    fc.assert(
      fc.property(fc.array(fc.array(name, { maxLength: 6 }), { maxLength: 4 }), fc.array(fc.constantFrom('a_b', 'tool', 'x')), (lists, taken) => {
        const servers = lists.map((_, index) => (index % 2 ? a : b));
        const found = names(servers, lists.map((list) => listed(...list)), taken);
        expect(found).toHaveLength(lists.flat().length);
        for (const one of found) expect(one).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
        expect(new Set([...found, ...taken]).size).toBe(found.length + new Set(taken).size);
        expect(names(servers, lists.map((list) => listed(...list)), taken)).toEqual(found);
      }),
    );
  });
});

describe('a server that could not be asked', () => {
  const down: McpListing = { offers: [], error: 'It is down.' };

  test('has the tools that the run names offered all the same, with any arguments', () => {
    const tool = server('https://a.com', ['Read', ' read.all', 'Read']);
    expect(mcpOffers([tool], [down], new Set())).toEqual([
      { offer: { name: 'Read', description: expect.any(String), parameters: { type: 'object', properties: {}, additionalProperties: true } }, tool: { ...tool, target: { name: 'Read', isListed: false, isRepeatable: false } } },
      { offer: expect.objectContaining({ name: 'read_all' }), tool: { ...tool, target: { name: 'read.all', isListed: false, isRepeatable: false } } },
    ]);
  });

  test.each([null, ['*'], ['read', '*']])('is offered as one function under its own name when the run names no tools (%j)', (allowedTools) => {
    const tool = server('https://www.a.com:8443/mcp', allowedTools);
    expect(mcpOffers([tool], [down], new Set())).toEqual([{ offer: expect.objectContaining({ name: 'a_com', description: expect.stringContaining('It is down.') }), tool: { ...tool, target: { isListed: false, isRepeatable: false } } }]);
  });

  test('is told from one that has no tools, or has not been asked yet', () => {
    expect(names([a], [listed()])).toEqual([]);
    expect(names([a], [])).toEqual(['a_com']);
  });
});

test('a server of which no tool is allowed is not asked', () => {
  expect(mcpToolsOf([a, server('https://none.com', []), { type: 'platform', id: 'web_search' }])).toEqual([a]);
});
