import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { startMcpServer, type TestMcpServer } from '@nightshift/testing';
import { shapes } from './product.ts';
import { stage } from './stage.ts';

describe.each(shapes)('a run with MCP tools in %s', (shape) => {
  const on = stage(shape);
  const servers: Record<string, TestMcpServer> = {};

  beforeAll(async () => {
    for (const revision of ['2026', '2025'] as const) servers[revision] = await startMcpServer({ revision, credential: { header: 'authorization', value: 'Bearer of-a-story' } });
  });
  afterAll(() => Promise.all(Object.values(servers).map((server) => server.close())));

  const mcp = (url: string, more: object = {}) => ({ type: 'mcp', url, auth: { type: 'bearer', token: 'of-a-story' }, ...more });
  const told = (run: string) => on.asked(run).at(-1)?.messages?.filter((message) => message.role === 'tool').map((message) => String(message.content)) ?? [];
  const offered = (run: string) => on.asked(run)[0]?.tools?.map((tool) => tool.function.name) ?? [];

  test.each(['2026', '2025'])('lists and calls those of a server of %s', async (revision) => {
    const run = randomUUID();
    const server = servers[revision]!;
    const ended = await on.completed({ run, tools: 2, parallel: 2 }, { input: { tools: [mcp(server.url, { allowedTools: ['echo', 'ADD'] })] } });
    expect(ended).toMatchObject({ status: 'succeeded', result: { answer: 'ok' } });
    expect(offered(run)).toEqual(expect.arrayContaining(['Echo', 'add']));
    expect(offered(run)).not.toContain('write');
    expect(told(run)).toEqual(['text 0', '{"sum":2}', 'text 2', '{"sum":6}']);
  });

  test('tells those of two servers apart, and says of a third that it is down', async () => {
    const run = randomUUID();
    const tools = [mcp(servers['2026']!.url, { name: 'Echo' }), mcp(servers['2025']!.url, { allow: ['echo', 'add'] }), { type: 'mcp', server: 'http://localhost:9/mcp', allowedTools: ['read'] }];
    const ended = await on.completed({ run, tools: 1, parallel: 4 }, { input: { tools } });
    expect(ended.status).toBe('succeeded');
    expect(offered(run).slice(0, 4)).toEqual(['127_0_0_1_Echo', '127_0_0_1_Echo_2', 'add', 'read']);
    expect(told(run)).toEqual(['text 0', 'text 1', expect.stringMatching(/sum/), expect.stringMatching(/could not be reached/)]);
  });
});
