import { describe, expect, test } from '@jest/globals';
import type { Admin, ApiError } from './api.client.ts';
import { adminOf, apiOf } from './api.client.ts';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Org = { id: string; name: string; pool: string; limits: object; egressAllow: string[] };
type Key = { id: string; key: string; prefix: string; name: string; scopes: string[]; runLimits: object };

/** A revoked or changed key may be remembered by a gateway for this long. */
const cacheMs = 5000;

const newOrg = (admin: Admin, body: object) => admin.call<Org & ApiError>('POST', '/orgs', { body });
const newKey = (admin: Admin, orgId: string, body: object) => admin.call<Key & ApiError>('POST', `/orgs/${orgId}/keys`, { body });
const task = { engine: 'tim-gpt', input: { instructions: 'Say hello' } };

describe.each(shapes)('%s lets its operator', (shape) => {
  const on = stage(shape);

  test('create an organisation, change it, and see the change', async () => {
    const created = await newOrg(on.admin, { name: 'Acme', egressAllow: ['10.20.0.0/16'] });
    expect([created.status, created.body]).toEqual([201, expect.objectContaining({ name: 'Acme', pool: 'shared', egressAllow: ['10.20.0.0/16'] })]);
    expect(created.body.id).toMatch(/^org_[0-9a-f]{32}$/);
    const changed = await on.admin.call<Org>('PATCH', `/orgs/${created.body.id}`, { body: { name: 'Acme Ltd', limits: { rpm: 60 } } });
    expect([changed.status, changed.body]).toEqual([200, { ...created.body, name: 'Acme Ltd', limits: { rpm: 60 } }]);
  });

  test('give out keys that are shown once', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Keys' });
    const created = await newKey(on.admin, org.id, { name: 'ci' });
    expect([created.status, created.body]).toEqual([201, expect.objectContaining({ name: 'ci', key: expect.any(String) })]);
    expect(created.body.key.startsWith(created.body.prefix)).toBe(true);
    expect(created.body.prefix.length).toBeLessThan(created.body.key.length / 2);
    const listed = await on.admin.call<{ keys: Partial<Key>[] }>('GET', `/orgs/${org.id}/keys`);
    expect([listed.status, listed.body.keys.map((key) => key.id)]).toEqual([200, [created.body.id]]);
    expect(listed.text).not.toContain(created.body.key);
    expect((await apiOf(on.product.port, created.body.key).list()).status).toBe(200);
  });

  test('revoke one key while the organisation’s other key goes on', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Revoked' });
    const [{ body: one }, { body: other }] = [await newKey(on.admin, org.id, { name: 'one' }), await newKey(on.admin, org.id, { name: 'other' })];
    const client = apiOf(on.product.port, one.key);
    expect((await client.list()).status).toBe(200);
    expect((await on.admin.call('DELETE', `/keys/${one.id}`)).status).toBeLessThan(300);
    await until(async () => (await client.list()).status === 401, { timeoutMs: cacheMs, what: () => 'the revoked key to be refused' });
    expect((await client.list()).body.error.code).toBe('authentication_failed');
    expect((await apiOf(on.product.port, other.key).list()).status).toBe(200);
  });

  test('bound what a run of a key may do', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Bounded' });
    const { body: key } = await newKey(on.admin, org.id, { name: 'small', runLimits: { turns: 1 } });
    expect(key.runLimits).toEqual({ turns: 1 });
    const api = apiOf(on.product.port, key.key);
    const { runId } = (await api.post(request({ tools: 2 }, { input: { tools: [functionTool('weather', `${on.endpoint.url}/tool/weather`)] } }))).body;
    expect(await on.settled(runId, api)).toMatchObject({ status: 'failed', error: { code: 'turn_limit' } });
  });

  test('limit the requests of an organisation in a minute, but neither its reads nor its cancels', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Busy', limits: { rpm: 2 } });
    const clients = [await newKey(on.admin, org.id, { name: 'one' }), await newKey(on.admin, org.id, { name: 'other' })].map(({ body }) => apiOf(on.product.port, body.key));
    const accepted = [await clients[0]!.post(request({ hang: 1 })), await clients[1]!.post(request())];
    expect(accepted.map(({ status }) => status)).toEqual([202, 202]);
    const refused = await clients[0]!.post(request());
    expect([refused.status, refused.body.error.code, refused.body.error.message]).toEqual([429, 'rate_limited', expect.stringContaining('2 requests a minute')]);
    expect([Number(refused.headers.get('retry-after')) > 0, refused.headers.get('x-ratelimit-limit'), refused.headers.get('x-ratelimit-remaining')]).toEqual([true, '2', '0']);
    const polled = await Promise.all(Array.from({ length: 50 }, () => clients[0]!.get(accepted[0]!.body.runId)));
    expect(new Set(polled.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await clients[0]!.cancel(accepted[0]!.body.runId)).body).toMatchObject({ status: 'canceled' });
  });

  test('limit the tokens of a key in a minute', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Talkers' });
    const { body: key } = await newKey(on.admin, org.id, { name: 'talker', limits: { tpm: 10 } });
    const api = apiOf(on.product.port, key.key);
    const first = await api.post(request());
    expect(first.status).toBe(202);
    await on.settled(first.body.runId, api);
    await until(async () => (await api.post(request())).status === 429, { timeoutMs: cacheMs + 2000, what: () => 'the key to have used its tokens' });
    expect((await api.post(request())).body.error).toMatchObject({ code: 'rate_limited', details: { counted: 'tokens', limit: 10 } });
  });

  test('limit a key to reading', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Readers' });
    const { body: key } = await newKey(on.admin, org.id, { name: 'reader', scopes: ['runs:read'] });
    const reader = apiOf(on.product.port, key.key);
    expect((await reader.list()).status).toBe(200);
    const refused = await reader.post(task);
    expect([refused.status, refused.body.error.code]).toEqual([403, 'permission_denied']);
  });

  test('let a key expire', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Expiry' });
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    const { body: key } = await newKey(on.admin, org.id, { name: 'short', expiresAt });
    const client = apiOf(on.product.port, key.key);
    expect((await client.list()).status).toBe(200);
    await until(async () => (await client.list()).status === 401, { timeoutMs: 1500 + cacheMs, what: () => 'the key to expire' });
  });

  test('keep organisations apart: another one’s run is unknown, and so is its use', async () => {
    const { body: org } = await newOrg(on.admin, { name: 'Neighbour' });
    const neighbour = apiOf(on.product.port, (await newKey(on.admin, org.id, { name: 'n' })).body.key);
    const { runId } = (await on.api.post(task)).body;
    for (const reply of [await neighbour.get(runId), await neighbour.cancel(runId)]) {
      expect([reply.status, reply.body.error?.code]).toEqual([404, 'not_found']);
    }
    const ended = await on.settled(runId);
    expect(ended.status).toBe('succeeded');
    expect((await neighbour.list()).body.runs).toEqual([]);
    expect((await neighbour.usage()).body.total).toMatchObject({ runs: 0, inputTokens: 0, outputTokens: 0 });
  });

  test('be refused without the admin token', async () => {
    for (const token of ['', 'wrong', on.product.apiKey]) {
      const reply = await adminOf(on.product.adminPort, token).call<ApiError>('POST', '/orgs', { body: { name: 'Nobody' } });
      expect([reply.status, reply.body.error.code]).toEqual([401, 'authentication_failed']);
    }
  });

  test('find the admin API on its own port only', async () => {
    const onPublicPort = await adminOf(on.product.port, on.product.adminToken).call('GET', '/dead-letters');
    expect(onPublicPort.status).toBe(404);
    const publicOnAdminPort = await apiOf(on.product.adminPort, on.api.key).list();
    expect(publicOnAdminPort.status).toBe(404);
  });

  test('be told about bad input', async () => {
    const statuses = async (...replies: Promise<{ status: number; body: ApiError }>[]) =>
      (await Promise.all(replies)).map(({ status, body }) => `${status} ${body.error.code}`);
    expect(await statuses(
      newOrg(on.admin, {}),
      newOrg(on.admin, { name: 'X', egressAllow: ['everywhere'] }),
      newOrg(on.admin, { name: 'X', limits: { rpm: -1 } }),
      newKey(on.admin, on.orgId, { name: 'x', scopes: ['everything'] }),
      newKey(on.admin, on.orgId, { name: 'x', answerEncoding: 'yaml' }),
    )).toEqual(Array(5).fill('400 invalid_request'));
    expect(await statuses(
      newKey(on.admin, 'org_unknown', { name: 'x' }),
      on.admin.call<ApiError>('PATCH', '/orgs/org_unknown', { body: { name: 'x' } }),
      on.admin.call<ApiError>('DELETE', '/keys/key_unknown'),
    )).toEqual(Array(3).fill('404 not_found'));
  });

  test('list, count, redrive and drop dead letters, of which a healthy product has none', async () => {
    const listed = await on.admin.call<{ deadLetters: unknown[]; nextCursor: string | null }>('GET', '/dead-letters');
    expect([listed.status, listed.body]).toEqual([200, { deadLetters: [], nextCursor: null }]);
    for (const command of ['redrive', 'drop']) {
      const reply = await on.admin.call<{ count: number }>('POST', `/dead-letters/${command}`, { body: { filter: {}, dryRun: true } });
      expect([reply.status, reply.body.count]).toEqual([200, 0]);
    }
  });
});
