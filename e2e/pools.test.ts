import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type FakeModel, startFakeModel } from '@nightshift/testing';
import { randomUUID } from 'node:crypto';
import { type Api, apiOf } from './api.client.ts';
import { newPool, ownEngine } from './pool.ts';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Pool = { name: string; state: string; problems: string[]; orgs: { id: string }[]; engines: { live: number }; executors: { live: number }; queuedRuns?: { count: number } };
type Org = { id: string; pool: string; warnings?: string[] };

const soon = 30_000;

describe.each(shapes.filter((shape) => shape === 'cluster'))('a dedicated pool of the %s', (shape) => {
  const on = stage(shape);
  let model: FakeModel;
  let pool: Awaited<ReturnType<typeof newPool>>;
  let org: Org;
  let api: Api;

  beforeAll(async () => {
    model = await startFakeModel();
    pool = await newPool(on.product, model.url);
  });
  afterAll(async () => {
    await pool?.stop();
    await model?.close();
  });

  const reported = async () => (await on.admin.call<{ pools: Pool[] }>('GET', '/pools')).body.pools.find(({ name }) => name === pool.name);
  const isAsked = (of: FakeModel, run: string) => of.recent().some(({ body }) => JSON.stringify(body.messages).includes(run));
  const untilReported = (what: object) => {
    let last: Pool | undefined;
    return until(async () => expect.objectContaining(what).asymmetricMatch((last = await reported())), { timeoutMs: soon, what: () => `${JSON.stringify(what)}, not ${JSON.stringify(last)}` });
  };

  test('may be given before it is there: that is reported, and its runs wait and can be canceled', async () => {
    const created = await on.admin.call<Org>('POST', '/orgs', { body: { name: 'Pooled', pool: pool.name } });
    expect([created.status, created.body.warnings]).toEqual([201, [expect.stringContaining('engine-orchestrator'), expect.stringContaining('tool-executor')]]);
    org = created.body;
    api = apiOf(on.product.port, (await on.admin.call<{ key: string }>('POST', `/orgs/${org.id}/keys`, { body: { name: 'key' } })).body.key);
    const { runId } = (await api.post(request({}))).body;
    await untilReported({ state: 'absent', orgs: [expect.objectContaining({ id: org.id })], queuedRuns: expect.objectContaining({ count: 1 }) });
    expect((await api.get(runId)).body.status).toBe('queued');
    expect((await api.cancel(runId)).body.status).toBe('canceled');
    const plain = await api.call('POST', '/v1/chat/completions', { body: { model: 'fake-model', messages: [{ role: 'user', content: 'hi' }] } });
    expect([plain.status, plain.body]).toEqual([503, expect.objectContaining({ error: expect.objectContaining({ code: 'service_unavailable' }) })]);
  });

  test('does what has waited for it when its processes come up, each kind its own part, and nobody else does', async () => {
    const run = randomUUID();
    const path = `/tool/echo/${run}`;
    const { runId } = (await api.post(request({ run, tools: 1 }, { input: { tools: [functionTool('weather', `${on.endpoint.url}${path}`)] } }))).body;
    await pool.start('engine-orchestrator');
    await untilReported({ state: 'impaired', engines: expect.objectContaining({ live: 1 }), executors: expect.objectContaining({ live: 0 }) });
    await until(() => isAsked(model, run), { timeoutMs: soon, what: () => 'the first turn by the pool’s model' });
    expect([(await api.get(runId)).body.status, on.endpoint.requests({ prefix: path })]).toEqual(['running', []]);
    await pool.start('tool-executor');
    expect(await on.settled(runId, api)).toMatchObject({ status: 'succeeded' });
    expect(on.endpoint.requests({ prefix: path })).toHaveLength(1);
    expect(isAsked(on.model, run)).toBe(false);
    await untilReported({ state: 'live', problems: [] });
  });

  test('answers plain calls and serves engines of its own', async () => {
    const plain = await api.call('POST', '/v1/chat/completions', { body: { model: 'their-model', messages: [{ role: 'user', content: 'hi' }] } });
    expect(plain.status).toBe(200);
    const run = randomUUID();
    const { runId } = (await api.post(request({ run }, { engine: ownEngine }))).body;
    expect(await on.settled(runId, api)).toMatchObject({ status: 'succeeded' });
    expect((await on.api.post(request({}, { engine: ownEngine }))).status).toBe(400);
  });

  test('is left without a restart: new runs go where the organisation goes', async () => {
    const moved = await on.admin.call<Org>('PATCH', `/orgs/${org.id}`, { body: { pool: 'shared' } });
    expect(moved.body).toEqual(expect.not.objectContaining({ warnings: expect.anything() }));
    await until(async () => {
      const run = randomUUID();
      await on.settled((await api.post(request({ run }))).body.runId, api);
      return isAsked(on.model, run);
    }, { timeoutMs: soon, what: () => 'a run in the shared pool' });
  });
});
