import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { InternalSaveTool, InternalTestTool } from '@nightshift/contracts';
import { createEgress, type Egress } from '@nightshift/http';
import type { Database } from '@nightshift/postgres';
import { generateSealKeyPair, newId, seal } from '@nightshift/std';
import { type FakeEndpoint, startFakeEndpoint, startMcpServer, type TestDatabase, waitFor } from '@nightshift/testing';
import { Documents } from '../src/documents.client.ts';
import { createMcpServers, type McpServers } from '../src/mcp.client.ts';
import { PlatformTools } from '../src/platform.tool.ts';
import { SavedToolStore } from '../src/saved-tool.store.ts';
import { SearchClient } from '../src/search.client.ts';
import { ToolTester } from '../src/tool-tester.client.ts';
import { toolsDatabase } from './stage.ts';

const keys = generateSealKeyPair();
const ORG = 'org_1';
const secrets = { headers: { 'X-Key': 'Bearer canary-header' }, defaults: { unit: 'canary-default' } };
let database: TestDatabase;
let db: Database;
let endpoint: FakeEndpoint;
let egress: Egress;
let servers: McpServers;
let store: SavedToolStore;
let tester: ToolTester;

beforeAll(async () => {
  ({ database, db } = await toolsDatabase());
  endpoint = await startFakeEndpoint();
  egress = createEgress({ allow: [] });
  servers = createMcpServers(egress);
  store = new SavedToolStore(db, keys.privateKey);
  tester = new ToolTester({ saved: store, platform: new PlatformTools(egress, new Documents(), new SearchClient([], egress)), egress, mcp: { servers, sealPrivateKey: keys.privateKey } });
});
afterAll(async () => {
  await servers.close();
  await egress.close();
  await endpoint.close();
  await db.close();
  await database.drop();
});

async function saved(path: string, method: 'GET' | 'POST' = 'POST', box = seal(JSON.stringify(secrets), keys.publicKey, ORG)): Promise<string> {
  const name = newId('tool');
  const tool: InternalSaveTool['tool'] = { type: 'function', name, url: `${endpoint.url}/tool/${path}`, method, parameters: {}, retry: 'safe', timeoutMs: 600_000, hidden: ['unit'], sealed: box };
  return (await store.save({ toolId: newId('tool'), orgId: ORG, name, tool, credentials: { headers: ['X-Key'], defaults: ['unit'], auth: null } })).saved.id;
}

const asking = (more: Partial<InternalTestTool> = {}): InternalTestTool => ({ orgId: ORG, callId: newId('call'), arguments: { city: 'Oslo', unit: 'mine' }, egressAllow: ['127.0.0.0/8'], ...more });

describe('a test of a saved tool', () => {
  test('makes one call as a run would, and shows it without its credentials, also where they are echoed', async () => {
    const id = await saved('echo/one');
    const ask = asking();
    const shown = await tester.test(id, ask);
    const [request, ...others] = endpoint.requests({ prefix: '/tool/echo/one' });
    expect(others).toEqual([]);
    expect(request).toMatchObject({ idempotencyKey: ask.callId, body: '{"city":"Oslo","unit":"canary-default"}', headers: { 'x-key': 'Bearer canary-header' } });
    expect(shown).toMatchObject({
      request: { method: 'POST', url: `${endpoint.url}/tool/echo/one`, headerNames: expect.arrayContaining(['content-type', 'idempotency-key', 'x-key']), body: { city: 'Oslo' } },
      reply: { status: 200, isError: false, content: { received: { city: 'Oslo', unit: '[hidden]' } }, durationMs: expect.any(Number) },
    });
    expect(JSON.stringify(shown)).not.toContain('canary');
  });

  test('by GET shows the address without the hidden part of its query', async () => {
    const shown = await tester.test(await saved('echo/get?v=2', 'GET'), asking());
    expect(endpoint.requests({ prefix: '/tool/echo/get' })[0]?.query).toEqual({ v: '2', city: 'Oslo', unit: 'canary-default' });
    expect(shown.request).toMatchObject({ method: 'GET', url: `${endpoint.url}/tool/echo/get?v=2&city=Oslo`, body: null });
    expect(JSON.stringify(shown)).not.toContain('canary');
  });

  test('shows a failure with its status, and why there was no reply', async () => {
    expect((await tester.test(await saved('status/500'), asking())).reply).toMatchObject({ status: 500, isError: true, errorCode: 'http_status' });
    expect((await tester.test(await saved('echo?cut=9'), asking())).reply).toMatchObject({ status: null, isError: true, errorCode: 'connection_reset' });
    expect((await tester.test(await saved('echo'), asking({ egressAllow: [] }))).reply).toMatchObject({ status: null, errorCode: 'address_blocked' });
  });

  test('of an MCP server shows what it offers, or calls one of its tools, without its token', async () => {
    const server = await startMcpServer({ revision: '2026', credential: { header: 'authorization', value: 'Bearer canary-token' } });
    try {
      const sealed = seal(JSON.stringify({ auth: { type: 'bearer', token: 'canary-token' } }), keys.publicKey, ORG);
      const tool: InternalSaveTool['tool'] = { type: 'mcp', url: server.url, allowedTools: ['echo', 'add'], sealed };
      const { id } = (await store.save({ toolId: newId('tool'), orgId: ORG, name: newId('tool'), tool, credentials: { headers: [], defaults: [], auth: 'bearer' } })).saved;
      const shown = await tester.test(id, asking({ arguments: {} }));
      expect(shown).toMatchObject({ request: { method: 'POST', url: server.url, headerNames: ['authorization'], body: {} }, reply: { isError: false, content: { offers: [{ name: 'Echo' }, { name: 'add' }] } } });
      const called = await tester.test(id, asking({ arguments: { tool: 'echo', arguments: { text: 'my canary-token' } } }));
      expect(JSON.stringify(called.reply.content)).toContain('my [hidden]');
      expect((await tester.test(id, asking({ arguments: { tool: 'write', arguments: { text: 'x' } } }))).reply).toMatchObject({ isError: true, errorCode: 'unknown_tool' });
    } finally {
      await server.close();
    }
  });

  test('of credentials that cannot be opened says so without a call', async () => {
    const id = await saved('echo/foreign', 'POST', seal('{}', generateSealKeyPair().publicKey, ORG));
    await expect(tester.test(id, asking())).rejects.toMatchObject({ code: 'invalid_request', message: expect.stringContaining('credentials') });
    expect(endpoint.requests({ prefix: '/tool/echo/foreign' })).toEqual([]);
  });

  test('is refused for another organisation’s tool', async () => {
    const id = await saved('echo/theirs');
    await expect(tester.test(id, asking({ orgId: 'org_2' }))).rejects.toMatchObject({ code: 'not_found' });
    expect(endpoint.requests({ prefix: '/tool/echo/theirs' })).toEqual([]);
  });

  test('is one of four at a time for an organisation, and holds up no other', async () => {
    const id = await saved('echo/slow?hang=4');
    const slow = Array.from({ length: 4 }, () => tester.test(id, asking({ callId: 'call_same' })).catch(() => undefined));
    await waitFor(() => endpoint.requests({ prefix: '/tool/echo/slow' }).length === 4);
    await expect(tester.test(id, asking())).rejects.toMatchObject({ code: 'rate_limited' });
    await expect(tester.test(id, asking({ orgId: 'org_2' }))).rejects.toMatchObject({ code: 'not_found' });
    expect(slow).toHaveLength(4);
    await egress.close();
    await Promise.all(slow);
    egress = createEgress({ allow: [] });
  });
});

describe('a test of a built-in tool', () => {
  test('shows what a model would be told', async () => {
    const calculator = await tester.test('calculator', asking({ arguments: { expression: '6 * 7' } }));
    expect(calculator).toEqual({ reply: { status: null, isError: false, content: { expression: '6 * 7', result: '42' }, durationMs: expect.any(Number) } });
    expect((await tester.test('exa_search', asking({ arguments: { query: 'q' } }))).reply).toMatchObject({ isError: true, errorCode: 'not_available' });
  });
});
