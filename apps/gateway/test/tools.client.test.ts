import { describe, expect, test } from '@jest/globals';
import { type SealedTool, Tool } from '@nightshift/contracts';
import { InternalClient } from '@nightshift/http';
import { ToolsClient } from '../src/tools.client.ts';

const saved: SealedTool = { type: 'function', name: 'lookup', url: 'https://example.com/x', method: 'POST', parameters: {}, retry: 'safe', timeoutMs: 1000, hidden: [], sealed: 'box' };

/** A client of an executor that knows one tool, and what it was asked. */
function client() {
  const asked: unknown[] = [];
  const executor = new InternalClient(({ path, body }) => {
    asked.push([path, JSON.parse(body ?? 'null')]);
    const { ids } = JSON.parse(body ?? '{}') as { ids: string[] };
    return Promise.resolve({ status: 200, body: JSON.stringify({ tools: Object.fromEntries(ids.filter((id) => id === 'lookup').map((id) => [id, saved])) }) });
  }, 'token');
  const tools = new ToolsClient(executor, { readerOf: () => executor, workerOf: () => executor });
  return { asked, resolve: (...list: object[]) => tools.resolve(list.map((tool) => Tool.parse(tool)), { orgId: 'org_1', pool: 'shared' }) };
}

describe('the saved tools of a run', () => {
  test('are looked up in one question, and a run without any asks none', async () => {
    const { asked, resolve } = client();
    expect([...(await resolve({ type: 'platform', id: 'web_search' }, { type: 'function', name: 'f', url: 'https://example.com' }, { type: 'exa_crawl' }))]).toEqual([]);
    expect(asked).toEqual([]);
    expect([...(await resolve({ type: 'platform', id: 'lookup' }, { type: 'platform', id: 'calculator' }, { type: 'platform', id: 'lookup' }))]).toEqual([['lookup', saved]]);
    expect(asked).toEqual([['/internal/tools/resolve', { orgId: 'org_1', ids: ['lookup', 'lookup'] }]]);
  });

  test('take no options but those that say nothing', async () => {
    const { resolve } = client();
    for (const options of [{}, null]) expect([...(await resolve({ type: 'platform', id: 'lookup', options }))]).toEqual([['lookup', saved]]);
    await expect(resolve({ type: 'platform', id: 'calculator', options: { expression: '1' } }, { type: 'platform', id: 'lookup', options: { city: 'Oslo' } })).rejects.toMatchObject({
      code: 'invalid_request',
      details: { fields: { 'input.tools.1.options': expect.stringMatching(/defaults/) } },
    });
  });

  test.each(['unheard', 'constructor', '__proto__', ''])('that nobody has saved are refused by name, with the built-in ones: "%s"', async (id) => {
    await expect(client().resolve({ type: 'platform', id: 'lookup' }, { type: 'platform', id })).rejects.toMatchObject({
      code: 'invalid_request',
      details: { fields: { 'input.tools.1.id': expect.stringMatching(/unknown tool .*web_search/) } },
    });
  });
});

test('a test of a saved tool is asked for in a way that is never repeated', async () => {
  const requests: unknown[] = [];
  const executor = new InternalClient(({ path, unrepeatable }) => {
    requests.push([path, unrepeatable]);
    return Promise.reject(new Error('away'));
  }, 'token');
  const tools = new ToolsClient(executor, { readerOf: () => executor, workerOf: () => executor });
  await expect(tools.test('lookup', { orgId: 'org_1', callId: 'call_1', arguments: {}, egressAllow: [] }, 'shared')).rejects.toThrow('away');
  expect(requests).toEqual([['/internal/tools/lookup/test', true]]);
});
