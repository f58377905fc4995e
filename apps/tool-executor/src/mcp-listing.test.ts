import { describe, expect, test } from '@jest/globals';
import { findTool, isAllowed, listingOf, namesOf } from './mcp-listing.ts';

const tool = (name: string, more: object = {}) => ({ name, inputSchema: { type: 'object' }, ...more });

test('names are allowed in any case; no list or an asterisk allows all, an empty list none', () => {
  expect([null, ['*'], ['x', '*'], ['READ'], [' read ']].map((allowed) => isAllowed(allowed, 'Read'))).toEqual([true, true, true, true, true]);
  expect([[], ['reads'], ['rea']].map((allowed) => isAllowed(allowed, 'Read'))).toEqual([false, false, false]);
});

test('a tool is found by its name as it is before any other case of it', () => {
  const tools = [tool('read'), tool('READ'), tool('write')];
  expect([findTool(tools, null, 'READ')?.name, findTool(tools, null, 'Read')?.name, findTool(tools, ['read'], 'write')]).toEqual(['READ', 'read', undefined]);
});

describe('a listing', () => {
  test('is in the order of names, whatever order the tools came in', () => {
    expect(listingOf(['b', 'a', 'C'].map((name) => tool(name)), null)).toEqual(listingOf(['C', 'b', 'a'].map((name) => tool(name)), null));
  });

  test('says of a tool what it does, by whichever of its texts there is, and whether it may be repeated', () => {
    const tools = [tool('a', { title: 'T', description: 'D' }), tool('b', { title: 'T', description: '' }), tool('c', { annotations: { title: 'A', readOnlyHint: true } }), tool('d', { annotations: { readOnlyHint: false, idempotentHint: true } }), tool('e', { annotations: { destructiveHint: false } })];
    expect(listingOf(tools, null).offers.map(({ description, isRepeatable }) => [description, isRepeatable])).toEqual([['D', false], ['T', false], ['A', true], [undefined, true], [undefined, false]]);
  });

  test('ends at 128 tools and at 512 KiB', () => {
    expect(listingOf(Array.from({ length: 300 }, (_, index) => tool(`t${String(index).padStart(3, '0')}`)), null).offers.map(({ name }) => name).slice(126)).toEqual(['t126', 't127']);
    const offers = listingOf(Array.from({ length: 20 }, (_, index) => tool(`t${index}`, { description: 'x'.repeat(50_000) })), null).offers;
    expect(offers).toHaveLength(10);
  });

  test('of a server that has none of the allowed tools says what it has; one without any tools is no failure', () => {
    expect(listingOf([tool('b'), tool('a')], ['x'])).toEqual({ offers: [], error: 'The server has none of the tools that the run may call. It has: a, b.' });
    expect(listingOf([], null)).toEqual({ offers: [] });
    expect(namesOf(Array.from({ length: 60 }, (_, index) => tool(`t${index}`)))).toMatch(/ and 10 more\.$/);
  });
});
