import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { shapes } from './product.ts';
import { functionTool } from './request.ts';
import { stage } from './stage.ts';

describe.each(shapes)('a run with tools in %s', (shape) => {
  const on = stage(shape);

  /** What the model was told in the end by the tools of the run. */
  const told = (run: string) => on.asked(run).at(-1)?.messages?.filter((message) => message.role === 'tool').map((message) => String(message.content)) ?? [];

  test.each([
    ['answers 500', '/tool/status/500', /status 500/],
    ['answers 404', '/tool/status/404', /status 404/],
    ['says that it failed', '/tool/error', /the tool says no/],
    ['is too slow', '/tool/slow?hang=9', /error/i],
    ['sends it to a private address', '/tool/redirect?to=http://10.0.0.1/', /error/i],
  ])('goes on when a tool %s, and the model hears of it', async (_, path, words) => {
    const run = randomUUID();
    const ended = await on.completed({ run, tools: 1 }, { input: { tools: [functionTool('weather', `${on.endpoint.url}${path}`, { timeout: 1 })] } });
    expect(ended).toMatchObject({ status: 'succeeded', result: { answer: 'ok' } });
    expect(told(run)).toEqual([expect.stringMatching(words)]);
  });

  test.each([
    ['cannot be reached', 'http://127.0.0.1:9/'],
    ['has a private address', 'http://10.0.0.1/'],
    ['has no address', 'http://nobody.invalid/'],
  ])('goes on when a tool %s, and the model hears of it', async (_, url) => {
    const run = randomUUID();
    const ended = await on.completed({ run, tools: 1 }, { input: { tools: [functionTool('weather', url, { timeout: 5 })] } });
    expect(ended.status).toBe('succeeded');
    expect(told(run)).toEqual([expect.stringMatching(/error/i)]);
  });

  test.each([['a tool that it was not given', { tool: 'unheard_of' }], ['a tool with broken arguments', { badargs: 1 as const }]])(
    'goes on when the model calls %s, and the model hears of it', async (_, script) => {
      const run = randomUUID();
      const ended = await on.completed({ run, tools: 1, ...script }, { input: { tools: [functionTool('weather', `${on.endpoint.url}/tool/echo/${run}`)] } });
      expect(ended.status).toBe('succeeded');
      expect(told(run)).toEqual([expect.stringMatching(/error/i)]);
      expect(on.endpoint.requests({ prefix: `/tool/echo/${run}` })).toEqual([]);
    },
  );

  test.each(['web_search', 'parallel_search', 'exa_search', 'google_search', 'find_similar'])(
    'takes the search tool %s and, without a provider for it, tells the model that it is not available', async (id) => {
      const run = randomUUID();
      const ended = await on.completed({ run, tools: 1, tool: id }, { input: { tools: [{ type: 'platform', id }] } });
      expect(ended).toMatchObject({ status: 'succeeded', usage: { toolCalls: { [id]: 1 } } });
      expect(told(run)).toEqual([expect.stringMatching(/not.available/i)]);
    },
  );

  test.each([
    ['calculator', { expression: '6 * 7' }, /"42"/],
    ['page_reader', { url: '/tool/text' }, /plain words/],
    ['webpage_understanding', { url: '/tool/status/404' }, /status 404/],
    ['exa_crawl', { url: 'http://169.254.169.254/' }, /address_blocked/],
  ])('calls the built-in %s with its options %j', async (id, options, words) => {
    const run = randomUUID();
    const given = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, value.startsWith('/') ? `${on.endpoint.url}${value}` : value]));
    const ended = await on.completed({ run, tools: 1, tool: id }, { input: { tools: [{ type: 'platform', id, options: given }] } });
    expect(ended.status).toBe('succeeded');
    expect(told(run)).toEqual([expect.stringMatching(words)]);
  });

  test('sends one call again under its key when the tool’s connection breaks, and not at all when it must never be repeated', async () => {
    const run = randomUUID();
    const tools = [
      functionTool('safe', `${on.endpoint.url}/tool/safe/${run}?cut=1`),
      functionTool('never', `${on.endpoint.url}/tool/never/${run}?cut=1`, { retry: 'never' }),
    ];
    const ended = await on.completed({ run, tools: 1, parallel: 2 }, { input: { tools } });
    expect(ended.status).toBe('succeeded');
    expect(new Set(on.endpoint.requests({ prefix: `/tool/safe/${run}` }).map((request) => request.idempotencyKey)).size).toBe(1);
    expect(on.endpoint.requests({ prefix: `/tool/never/${run}` })).toHaveLength(1);
  });
});
