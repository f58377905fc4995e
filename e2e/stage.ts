import { afterAll, beforeAll, expect } from '@jest/globals';
import type { EndpointRequest, FakeEndpoint, FakeModel } from '@nightshift/testing';
import { startFakeEndpoint, startFakeModel } from '@nightshift/testing';
import { join } from 'node:path';
import type { Admin, Api, Run } from './api.client.ts';
import { adminOf, apiOf } from './api.client.ts';
import { isTerminal } from './history.ts';
import { isAlive } from './processes.ts';
import type { ProductState, Shape } from './product.ts';
import { launch, newState, readState, ready, stop, writeState } from './product.ts';
import type { More, Script } from './request.ts';
import { request } from './request.ts';
import { holds, until } from './until.ts';

/** All that a story needs: a product that runs, an organisation of the story's own in it, and the outside world. */
export type Stage = {
  product: ProductState;
  admin: Admin;
  model: FakeModel;
  endpoint: FakeEndpoint;
  orgId: string;
  /** The public API with a key of the story's organisation. */
  api: Api;
};

function stateFile(shape: Shape): string {
  const folder = process.env['NIGHTSHIFT_E2E_DIR'];
  if (!folder) throw new Error('Run e2e tests with `npm test -- e2e/<part of the name>`');
  return join(folder, `${shape}.json`);
}

/** Starts a product, or takes over the one that an earlier test file has left running and well. */
async function acquire(shape: Shape): Promise<ProductState> {
  const left = readState(stateFile(shape));
  if (left && isAlive(left.pid) && (await holds(async () => ready(left, 20_000).then(() => true, () => false), { timeoutMs: 0 }))) return left;
  if (left) await stop(left);
  const state = launch(await newState(shape));
  writeState(stateFile(shape), state);
  await ready(state);
  return state;
}

/** Sets the stage for the tests of the `describe` block it is called in. The product stays up for the next test file. */
export function stage(shape: Shape) {
  const on = {} as Stage;

  beforeAll(async () => {
    on.product = await acquire(shape);
    on.admin = adminOf(on.product.adminPort, on.product.adminToken);
    on.model = await startFakeModel({ port: on.product.modelPort });
    on.endpoint = await startFakeEndpoint();
    const tenant = await newTenant();
    Object.assign(on, tenant);
  }, 240_000);

  afterAll(async () => {
    await on.model?.close();
    await on.endpoint?.close();
  });

  async function newTenant(key: object = {}): Promise<{ orgId: string; api: Api }> {
    const org = await on.admin.call<{ id: string }>('POST', '/orgs', { body: { name: 'Story' } });
    expect(org.status).toBe(201);
    const created = await on.admin.call<{ key: string }>('POST', `/orgs/${org.body.id}/keys`, { body: { name: 'story', ...key } });
    expect(created.status).toBe(201);
    return { orgId: org.body.id, api: apiOf(on.product.port, created.body.key) };
  }

  /** The run in its terminal state. */
  async function settled(runId: string, api = on.api): Promise<Run> {
    let run: Run | undefined;
    await until(async () => {
      const { status, body } = await api.get(runId);
      expect(status).toBe(200);
      run = body;
      return isTerminal(body.status);
    }, { timeoutMs: 60_000, what: () => `the end of ${JSON.stringify(run)}` });
    return run as Run;
  }

  async function start(script: Script = {}, more: More = {}): Promise<string> {
    const reply = await on.api.post(request(script, more));
    expect([reply.status, reply.body]).toEqual([202, { runId: expect.stringMatching(/^run_[0-9a-f]{32}$/), status: 'queued' }]);
    return reply.body.runId;
  }

  return Object.assign(on, {
    newTenant: async (key?: object) => (await newTenant(key)).api,
    settled,
    start,
    completed: async (script: Script = {}, more: More = {}) => settled(await start(script, more)),
    /** What the fake model was asked for the run of that name, newest last. */
    asked: (run: string) => on.model.recent().map(({ body }) => body).filter((body) => JSON.stringify(body.messages).includes(run)),
    /** The first webhook about a run at that path. */
    arrival: async (path: string, runId: string): Promise<EndpointRequest> => {
      const found = () => on.endpoint.requests({ prefix: path }).find(({ body }) => body.includes(runId));
      await until(() => found() !== undefined, { timeoutMs: 45_000, what: () => `a webhook about ${runId}` });
      return found() as EndpointRequest;
    },
    /** Ends the process of a standalone product with a signal and starts it again on the same data and ports. */
    restart: async (signal: NodeJS.Signals) => {
      process.kill(on.product.pid, signal);
      await until(() => !isAlive(on.product.pid), { timeoutMs: 30_000, what: () => `the process to end after ${signal}` });
      on.product = launch(on.product);
      writeState(stateFile(shape), on.product);
      await ready(on.product, 60_000);
    },
  });
}

/** What `stage` gives to the tests. */
export type StageForTests = ReturnType<typeof stage>;
