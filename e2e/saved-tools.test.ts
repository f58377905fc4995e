import { beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Api, ApiError } from './api.client.ts';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';

type SavedTool = { id: string; type: string; name: string; url: string; description?: string; credentials: { headers: string[]; defaults: string[] } };
type ToolTest = { request: { url: string; headerNames: string[]; body: unknown }; reply: { status: number; isError: boolean; content: unknown } };

const CANARY = 'canary-of-a-saved-tool';

describe.each(shapes)('a saved tool in %s', (shape) => {
  const on = stage(shape);
  let stranger: Api;
  beforeAll(async () => void (stranger = await on.newTenant()));

  const aName = () => `tool-${randomUUID()}`;
  const definition = (name: string, path = `/tool/echo/${name}`) => functionTool(name, `${on.endpoint.url}${path}`, { headers: { 'x-key': CANARY }, defaults: { unit: `${CANARY}-unit` } });

  async function save(name: string): Promise<SavedTool> {
    const { status, body } = await on.api.call<SavedTool>('POST', '/v1/tools', { body: definition(name) });
    expect(status).toBe(201);
    return body;
  }

  const naming = (id: string) => request({ tools: 1 }, { input: { tools: [{ type: 'platform', id }] } });
  const run = (id: string, by: Api = on.api) => by.post(naming(id));
  const callsOf = (name: string) => on.endpoint.requests({ prefix: `/tool/echo/${name}` });

  test('is shown by id, by name and in the list, beside the built-in ones, and never with its credentials', async () => {
    const name = aName();
    const saved = await save(name);
    expect(saved).toMatchObject({ id: expect.stringMatching(/^tool_[0-9a-f]{32}$/), type: 'function', name, credentials: { headers: ['x-key'], defaults: ['unit'] } });
    for (const id of [saved.id, name]) expect((await on.api.call('GET', `/v1/tools/${id}`)).body).toEqual(saved);
    const list = await on.api.call<{ tools: { id: string; available?: boolean; reason?: string }[] }>('GET', '/v1/tools');
    expect(list.body.tools).toEqual(expect.arrayContaining([
      saved,
      expect.objectContaining({ id: 'calculator', type: 'platform', available: true, aliases: [] }),
      expect.objectContaining({ id: 'page_reader', available: true, aliases: expect.arrayContaining(['webpage_understanding']) }),
      expect.objectContaining({ id: 'web_search', available: false, reason: expect.stringContaining('SEARXNG_URL') }),
    ]));
    expect(JSON.stringify(saved) + list.text).not.toContain(CANARY);
    expect((await on.api.call('GET', '/v1/tools/exa_crawl')).body).toMatchObject({ id: 'page_reader', available: true });
  });

  test('serves the runs that name it by id or name, with its credentials, and those that had it when it is gone', async () => {
    const name = aName();
    const { id } = await save(name);
    const runs = [await run(id), await run(name), await on.api.post(request({ tools: 1, delay: 500 }, { input: { tools: [{ type: 'platform', id }] } }))];
    expect(runs.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect((await on.api.call('DELETE', `/v1/tools/${id}`)).status).toBe(204);
    for (const { body } of runs) expect(await on.settled(body.runId)).toMatchObject({ status: 'succeeded', usage: { toolCalls: { [name]: 1 } } });
    expect(callsOf(name)).toHaveLength(3);
    for (const { headers, body } of callsOf(name)) {
      expect(headers['x-key']).toBe(CANARY);
      expect(JSON.parse(body)).toMatchObject({ city: expect.any(String), unit: `${CANARY}-unit` });
    }
    const refused = await run(id);
    expect([refused.status, refused.body.error.code, refused.body.error.message]).toEqual([400, 'invalid_request', expect.stringContaining(id)]);
    expect((await on.api.call('DELETE', `/v1/tools/${id}`)).status).toBe(404);
  });

  test('that is gone leaves the first reply to a request that is sent again with its idempotency key', async () => {
    const name = aName();
    await save(name);
    const [body, headers] = [naming(name), { 'idempotency-key': name }];
    const first = await on.api.post(body, headers);
    expect((await on.api.call('DELETE', `/v1/tools/${name}`)).status).toBe(204);
    const again = await on.api.post(body, headers);
    expect([again.status, again.body.runId, again.headers.get('idempotency-replayed')]).toEqual([202, first.body.runId, 'true']);
    expect((await on.api.post({ ...body, options: { timeout: 60 } }, headers)).status).toBe(409);
    expect((await on.api.post(body, { 'idempotency-key': `${name}-other` })).status).toBe(400);
  });

  test('changes for the next run, and is not sent elsewhere with the credentials that it has', async () => {
    const name = aName();
    const { id } = await save(name);
    const changed = await on.api.call<SavedTool>('PATCH', `/v1/tools/${id}`, { body: { description: 'Now described.', url: `${on.endpoint.url}/tool/echo/${name}/changed`, defaults: null } });
    expect([changed.status, changed.body.description, changed.body.credentials]).toEqual([200, 'Now described.', { headers: ['x-key'], defaults: [], auth: null }]);
    await on.settled((await run(name)).body.runId);
    expect(callsOf(`${name}/changed`)).toMatchObject([{ headers: { 'x-key': CANARY } }]);
    expect(callsOf(name)[0]?.body).not.toContain(CANARY);
    const moved = await on.api.call<ApiError>('PATCH', `/v1/tools/${id}`, { body: { url: 'https://elsewhere.example/' } });
    expect([moved.status, moved.body.error.message]).toEqual([400, expect.stringContaining('headers')]);
  });

  test('can be tried: one call, shown without its credentials', async () => {
    const name = aName();
    const { id } = await save(name);
    const tried = await on.api.call<ToolTest>('POST', `/v1/tools/${id}/test`, { body: { arguments: { city: 'Oslo' } } });
    expect([tried.status, tried.body]).toEqual([200, {
      request: { method: 'POST', url: `${on.endpoint.url}/tool/echo/${name}`, headerNames: expect.arrayContaining(['x-key', 'idempotency-key']), body: { city: 'Oslo' } },
      reply: { status: 200, isError: false, content: { tries: 1, received: { city: 'Oslo', unit: '[hidden]' } }, durationMs: expect.any(Number) },
    }]);
    expect(callsOf(name)).toMatchObject([{ headers: { 'x-key': CANARY } }]);
    expect((await on.api.call<ToolTest>('POST', '/v1/tools/calculator/test', { body: { arguments: { expression: '6*7' } } })).body.reply.content).toMatchObject({ result: '42' });
  });

  test('is saved once under an idempotency key', async () => {
    const name = aName();
    const headers = { 'idempotency-key': name };
    const [one, two] = [await on.api.call('POST', '/v1/tools', { body: definition(name), headers }), await on.api.call('POST', '/v1/tools', { body: definition(name), headers })];
    expect([one.status, two.status, two.body, two.headers.get('idempotency-replayed')]).toEqual([201, 201, one.body, 'true']);
    const other = await on.api.call<ApiError>('POST', '/v1/tools', { body: definition(aName()), headers });
    expect([other.status, other.body.error.code]).toEqual([409, 'conflict']);
  });

  test.each([
    ['a name that is taken', 409, (name: string) => definition(name)],
    ['the name of a built-in tool', 400, () => definition('web_search')],
    ['no tool at all', 400, () => ({ type: 'platform', id: 'web_search' })],
    ['credentials in its address', 400, () => ({ ...definition(aName()), url: 'https://user:secret@example.com/' })],
  ])('is refused with %s: %i', async (_, status, body) => {
    const name = aName();
    await save(name);
    const reply = await on.api.call<ApiError>('POST', '/v1/tools', { body: body(name) });
    expect([reply.status, reply.body.error.message]).toEqual([status, expect.any(String)]);
  });

  test('is there for its own organisation alone, and for keys that may', async () => {
    const name = aName();
    const { id } = await save(name);
    const reader = await on.newTenant({ scopes: ['runs:read'] });
    for (const [method, path, body] of [['GET', '', undefined], ['PATCH', '', {}], ['DELETE', '', undefined], ['POST', '/test', {}]] as const) {
      expect((await stranger.call(method, `/v1/tools/${id}${path}`, { body })).status).toBe(404);
      expect((await reader.call(method, `/v1/tools/${id}${path}`, { body })).status).toBe(method === 'GET' ? 404 : 403);
    }
    expect((await reader.call('POST', '/v1/tools', { body: definition(aName()) })).status).toBe(403);
    for (const foreign of [id, name]) expect((await run(foreign, stranger)).status).toBe(400);
    expect((await stranger.call('GET', '/v1/tools')).text).not.toContain(name);
    const nobody = await fetch(`${on.api.base}/v1/tools`);
    expect(nobody.status).toBe(401);
    expect(callsOf(name)).toEqual([]);
  });
});
