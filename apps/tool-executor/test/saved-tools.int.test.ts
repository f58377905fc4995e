import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError, type InternalSaveTool, type InternalUpdateTool } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { generateSealKeyPair, newId, seal, unseal } from '@nightshift/std';
import type { TestDatabase } from '@nightshift/testing';
import { SAVED_TOOLS_MAX, viewOf } from '../src/saved-tool.ts';
import { SavedToolStore } from '../src/saved-tool.store.ts';
import { toolsDatabase } from './stage.ts';

const keys = generateSealKeyPair();
const CANARY = 'canary-credential';
let database: TestDatabase;
let db: Database;
let store: SavedToolStore;
let orgs = 0;

beforeAll(async () => {
  ({ database, db } = await toolsDatabase());
  store = new SavedToolStore(db, keys.privateKey);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const anOrg = () => `org_${(orgs += 1)}`;
const sealed = (orgId: string, credentials: object) => seal(JSON.stringify(credentials), keys.publicKey, orgId);

function weather(orgId: string, more: Partial<InternalSaveTool> = {}): InternalSaveTool {
  const name = more.name ?? 'weather';
  return {
    toolId: newId('tool'),
    orgId,
    name,
    description: 'The weather.',
    tool: { type: 'function', name, description: 'The weather.', url: 'https://example.com/weather', method: 'POST', parameters: { type: 'object' }, retry: 'safe', timeoutMs: 5000, hidden: ['unit'], sealed: sealed(orgId, { headers: { 'x-key': CANARY }, defaults: { unit: 'celsius' } }) },
    credentials: { headers: ['x-key'], defaults: ['unit'], auth: null },
    ...more,
  };
}

const mcp = (orgId: string): InternalSaveTool => ({ toolId: newId('tool'), orgId, name: 'files', tool: { type: 'mcp', url: 'https://mcp.example.com/', allowedTools: ['read'], sealed: sealed(orgId, { auth: { type: 'bearer', token: CANARY } }) }, credentials: { headers: [], defaults: [], auth: 'bearer' } });
const update = (orgId: string, changes: InternalUpdateTool['changes'], more: Partial<InternalUpdateTool> = {}): InternalUpdateTool => ({ orgId, changes, credentials: {}, ...more });
const codeOf = async (work: Promise<unknown>): Promise<string> => work.then(() => 'none', (err: unknown) => (err instanceof AppError ? err.code : String(err)));
const openedOf = async (orgId: string, id: string): Promise<unknown> => {
  const box = (await store.get(orgId, id)).tool.sealed;
  return box === undefined ? undefined : JSON.parse(unseal(box, keys.privateKey, orgId));
};

describe('a saved tool', () => {
  test('is found by its id and by its name, with what a run needs and the names of its credentials', async () => {
    const orgId = anOrg();
    const tool = weather(orgId);
    const { saved, replayed } = await store.save(tool);
    expect(replayed).toBe(false);
    for (const id of [tool.toolId, 'weather']) expect((await store.find(orgId, [id, 'other'])).get(id)?.tool).toEqual(tool.tool);
    expect(viewOf(saved)).toEqual({
      id: tool.toolId, type: 'function', name: 'weather', description: 'The weather.', url: 'https://example.com/weather', method: 'POST', timeoutMs: 5000, parameters: { type: 'object' }, retry: 'safe',
      credentials: { headers: ['x-key'], defaults: ['unit'], auth: null }, createdAt: saved.createdAt.toISOString(), updatedAt: saved.createdAt.toISOString(),
    });
  });

  test('is another organisation’s to nobody else', async () => {
    const [mine, theirs] = [anOrg(), anOrg()];
    const { id } = (await store.save(weather(mine))).saved;
    for (const name of [id, 'weather']) expect(await codeOf(store.get(theirs, name))).toBe('not_found');
    expect(await codeOf(store.update(id, update(theirs, { description: 'x' })))).toBe('not_found');
    expect(await codeOf(store.remove(theirs, id))).toBe('not_found');
    expect(await store.list(theirs)).toEqual([]);
    expect((await store.save(weather(theirs))).saved.name).toBe('weather');
  });

  test('has a name of its own in its organisation, also when two are saved at once or one is renamed', async () => {
    const orgId = anOrg();
    const codes = await Promise.all([codeOf(store.save(weather(orgId))), codeOf(store.save(weather(orgId)))]);
    expect(codes.sort()).toEqual(['conflict', 'none']);
    const { saved } = await store.save(weather(orgId, { name: 'other' }));
    expect(await codeOf(store.update(saved.id, update(orgId, { name: 'weather' })))).toBe('conflict');
  });

  test('that is saved by the same request twice is one tool', async () => {
    const tool = weather(anOrg());
    const [one, two] = [await store.save(tool), await store.save(tool)];
    expect(two.saved).toEqual(one.saved);
    expect(await store.list(tool.orgId)).toHaveLength(1);
  });

  test('is gone when it is deleted, and its name is free', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(weather(orgId));
    await store.remove(orgId, saved.id);
    expect(await codeOf(store.remove(orgId, saved.id))).toBe('not_found');
    expect(await codeOf(store.get(orgId, 'weather'))).toBe('not_found');
    expect(await codeOf(store.save(weather(orgId)))).toBe('none');
  });

  test('is refused when it is too large, and when there are too many', async () => {
    const orgId = anOrg();
    const large = weather(orgId);
    expect(await codeOf(store.save({ ...large, tool: { ...large.tool, url: `https://example.com/${'x'.repeat(70_000)}` } }))).toBe('invalid_request');
    await Promise.all(Array.from({ length: SAVED_TOOLS_MAX }, (_, index) => store.save(weather(orgId, { name: `tool_${index}` }))));
    expect(await codeOf(store.save(weather(orgId)))).toBe('invalid_request');
    expect(await codeOf(store.save(weather(anOrg())))).toBe('none');
  });

  test('shows none of its credentials in the database', async () => {
    const orgId = anOrg();
    await store.save(weather(orgId, { idempotency: { key: 'k', bodyHash: 'h' } }));
    await store.save(mcp(orgId));
    const { rows } = await db.pool.query<{ text: string }>(`select t::text as text from tools.saved_tools t union all select k::text from tools.idempotency_keys k`);
    expect(rows.length).toBeGreaterThan(2);
    for (const { text } of rows) expect(text).not.toContain(CANARY);
  });
});

describe('an id that is also a name', () => {
  test('means the tool that has the id', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(weather(orgId));
    const other = (await store.save(weather(orgId, { name: saved.id }))).saved;
    expect((await store.get(orgId, saved.id)).name).toBe('weather');
    expect((await store.update(saved.id, update(orgId, { description: 'Changed.' }))).name).toBe('weather');
    await store.remove(orgId, saved.id);
    expect((await store.get(orgId, saved.id)).id).toBe(other.id);
    await store.remove(orgId, saved.id);
    expect(await store.list(orgId)).toEqual([]);
  });
});

describe('an idempotency key', () => {
  test('gives the first reply again, and refuses another body', async () => {
    const orgId = anOrg();
    const idempotency = { key: 'k', bodyHash: 'one' };
    const first = await store.save(weather(orgId, { idempotency }));
    await store.update(first.saved.id, update(orgId, { description: 'Changed.' }));
    expect(await store.save(weather(orgId, { idempotency }))).toEqual({ saved: first.saved, replayed: true });
    expect(await codeOf(store.save(weather(orgId, { name: 'other', idempotency: { key: 'k', bodyHash: 'two' } })))).toBe('conflict');
    expect(await store.list(orgId)).toHaveLength(1);
    expect((await store.save(weather(anOrg(), { idempotency }))).replayed).toBe(false);
  });

  test('makes one tool of two requests at once', async () => {
    const orgId = anOrg();
    const made = await Promise.all(Array.from({ length: 4 }, () => store.save(weather(orgId, { idempotency: { key: 'k', bodyHash: 'h' } }))));
    expect(new Set(made.map(({ saved }) => saved.id)).size).toBe(1);
    expect(made.filter(({ replayed }) => !replayed)).toHaveLength(1);
  });

  test('is not used up by a request that failed', async () => {
    const orgId = anOrg();
    await store.save(weather(orgId));
    const idempotency = { key: 'k', bodyHash: 'h' };
    expect(await codeOf(store.save(weather(orgId, { idempotency })))).toBe('conflict');
    expect((await store.save(weather(orgId, { name: 'other', idempotency }))).replayed).toBe(false);
  });

  test('is free again after a day, and forgotten soon after', async () => {
    const orgId = anOrg();
    const idempotency = { key: 'old', bodyHash: 'h' };
    const { saved } = await store.save(weather(orgId, { idempotency }));
    await store.remove(orgId, saved.id);
    await db.pool.query(`update tools.idempotency_keys set created_at = now() - interval '24 hours 1 second' where org_id = $1`, [orgId]);
    const again = await store.save(weather(orgId, { idempotency: { key: 'old', bodyHash: 'other' } }));
    expect(again).toMatchObject({ replayed: false });
    await db.pool.query(`update tools.idempotency_keys set created_at = now() - interval '26 hours' where org_id = $1`, [orgId]);
    expect(await store.forgetKeys(1000)).toBe(1);
    expect(await store.forgetKeys(1000)).toBe(0);
  });
});

describe('a change of a saved tool', () => {
  test('replaces what is given and keeps the rest, credentials too', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(weather(orgId));
    const after = await store.update(saved.id, update(orgId, { name: 'sky', description: null, url: 'https://example.com/sky', method: 'GET', timeoutMs: 1000, retry: 'never' }));
    expect(after.tool).toMatchObject({ name: 'sky', url: 'https://example.com/sky', method: 'GET', timeoutMs: 1000, retry: 'never', parameters: { type: 'object' }, hidden: ['unit'] });
    expect([after.name, after.description, 'description' in after.tool]).toEqual(['sky', null, false]);
    expect((await db.pool.query('select updated_at > created_at as later from tools.saved_tools where id = $1', [saved.id])).rows).toEqual([{ later: true }]);
    expect(await openedOf(orgId, saved.id)).toEqual({ headers: { 'x-key': CANARY }, defaults: { unit: 'celsius' } });
  });

  test('replaces credentials of one kind without the others, and removes them with null', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(weather(orgId));
    await store.update(saved.id, update(orgId, {}, { credentials: { headers: ['x-new'] }, sealed: sealed(orgId, { headers: { 'x-new': 'n' } }) }));
    expect(await openedOf(orgId, saved.id)).toEqual({ headers: { 'x-new': 'n' }, defaults: { unit: 'celsius' } });
    const bare = await store.update(saved.id, update(orgId, {}, { credentials: { headers: null, defaults: null } }));
    expect([bare.credentials, bare.tool.sealed]).toEqual([{ headers: [], defaults: [], auth: null }, undefined]);
    expect(bare.tool).toMatchObject({ hidden: [] });
  });

  test.each([
    ['function', weather, 'auth', { auth: 'bearer' }],
    ['mcp', mcp, 'defaults', { defaults: ['unit'] }],
  ] as const)('of a tool of type %s is refused with credentials that it cannot have, and takes null for them', async (_, tool, kind, credentials) => {
    const orgId = anOrg();
    const { saved } = await store.save(tool(orgId));
    const given = update(orgId, {}, { credentials: credentials as InternalUpdateTool['credentials'], sealed: sealed(orgId, { [kind]: CANARY }) });
    await expect(store.update(saved.id, given)).rejects.toMatchObject({ code: 'invalid_request', details: { fields: { [kind]: expect.stringContaining(saved.tool.type) } } });
    expect((await store.update(saved.id, update(orgId, {}, { credentials: { [kind]: null } }))).credentials).toEqual(saved.credentials);
    expect(await openedOf(orgId, saved.id)).not.toHaveProperty(kind);
  });

  test('of an MCP server changes its tools and its token', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(mcp(orgId));
    const after = await store.update(saved.id, update(orgId, { allowedTools: null, method: 'GET', description: 'Files.' }, { credentials: { auth: 'api_key' }, sealed: sealed(orgId, { auth: { type: 'api_key', token: 'n' } }) }));
    expect(after).toMatchObject({ description: 'Files.', tool: { allowedTools: null }, credentials: { auth: 'api_key' } });
    expect(after.tool).not.toHaveProperty('method');
    expect(await openedOf(orgId, saved.id)).toEqual({ auth: { type: 'api_key', token: 'n' } });
  });

  test('to another origin takes no credentials along', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(weather(orgId));
    const url = 'https://elsewhere.example/weather';
    expect(await codeOf(store.update(saved.id, update(orgId, { url })))).toBe('invalid_request');
    expect(await codeOf(store.update(saved.id, update(orgId, { url }, { credentials: { headers: null } })))).toBe('invalid_request');
    expect((await store.get(orgId, saved.id)).tool.url).toBe('https://example.com/weather');
    const moved = await store.update(saved.id, update(orgId, { url }, { credentials: { headers: null, defaults: ['unit'] }, sealed: sealed(orgId, { defaults: { unit: 'kelvin' } }) }));
    expect(moved.tool.url).toBe(url);
    expect(await openedOf(orgId, saved.id)).toEqual({ defaults: { unit: 'kelvin' } });
  });

  test('of two at once loses neither', async () => {
    const orgId = anOrg();
    const { saved } = await store.save(weather(orgId));
    await Promise.all([store.update(saved.id, update(orgId, { description: 'D' })), store.update(saved.id, update(orgId, { timeoutMs: 7 }))]);
    expect(await store.get(orgId, saved.id)).toMatchObject({ description: 'D', tool: { timeoutMs: 7, description: 'D' } });
  });

  test('whose kept credentials cannot be opened any more is refused, and one that gives all of them is not', async () => {
    const orgId = anOrg();
    const tool = weather(orgId);
    const { saved } = await store.save({ ...tool, tool: { ...tool.tool, sealed: seal('{}', generateSealKeyPair().publicKey, orgId) } });
    const given = { credentials: { headers: ['x-key'] }, sealed: sealed(orgId, { headers: { 'x-key': 'n' } }) };
    expect(await codeOf(store.update(saved.id, update(orgId, {}, given)))).toBe('invalid_request');
    expect(await codeOf(store.update(saved.id, update(orgId, {}, { ...given, credentials: { ...given.credentials, defaults: null } })))).toBe('none');
  });
});
