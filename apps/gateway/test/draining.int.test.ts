import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { InternalClient, portOf } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Surroundings } from '@nightshift/service';
import { generateSealKeyPair, newId } from '@nightshift/std';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import { buildGateway, GatewayEnvironment } from '../src/index.ts';

const log = createLog({ level: 'silent', format: 'json' });
const KEY = 'sk-ns-bootstrap-key';
const at = new Date(0).toISOString();

let database: TestDatabase;
let shutdown: Shutdown;
let url: string;
let looks: number;

beforeAll(async () => void (database = await testDatabase({ template: 'empty', migrate: () => Promise.resolve() })));
afterAll(() => database.drop());

/** A gateway before runs that never end. */
beforeEach(async () => {
  looks = 0;
  shutdown = new Shutdown();
  const neighbour = new InternalClient(({ method, path, body }) => {
    const reply = (value: object) => Promise.resolve({ status: 200, body: JSON.stringify(value) });
    if (path === '/internal/ended-runs') return reply({ runIds: [] });
    if (method === 'POST') return reply({ runId: (JSON.parse(body ?? '') as { runId: string }).runId, replayed: false });
    looks += 1;
    return reply({ runId: path.split('/').at(-1)!.split('?')[0], status: 'running', engine: 'tim', createdAt: at, updatedAt: at });
  }, 'token');
  const around: Surroundings = {
    log, bus: new LocalBus(), hints: new InProcessHints(), readiness: new ReadinessChecks(), shutdown, databaseUrl: database.url, connectionsMax: 4,
    pool: 'shared', onePool: undefined, serviceTokens: new Map(), neighbours: [], client: () => neighbour,
  };
  const environment = GatewayEnvironment.parse({ ADMIN_TOKEN: 'operators-own-token', BOOTSTRAP_API_KEY: KEY, SEAL_PUBLIC_KEY: generateSealKeyPair().publicKey });
  const service = await buildGateway(environment, around);
  await service.app.listen(0, '127.0.0.1');
  url = `http://127.0.0.1:${portOf(service.app)}`;
});
afterEach(() => shutdown.run(log, 0));

const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const wait = (signal?: AbortSignal) => fetch(`${url}/v1/runs/${newId('run')}/wait?timeout=60`, { headers, ...(signal && { signal }) });
const chat = (signal?: AbortSignal) => fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify({ model: 'tim', messages: [{ role: 'user', content: 'x' }] }), ...(signal && { signal }) });
const looked = (times: number) => waitFor(() => looks === times);

test('a gateway that stops answers long polls with the run as it stands, and chat requests when they can wait no longer', async () => {
  const [polled, chatted] = [wait(), chat()];
  await looked(2);
  const stopped = shutdown.run(log, 60_000);
  const poll = await polled;
  expect([poll.status, await poll.json()]).toEqual([200, expect.objectContaining({ status: 'running' })]);
  shutdown.hurry();
  const reply = await chatted;
  const runId = reply.headers.get('x-run-id')!;
  expect([reply.status, reply.headers.get('x-should-retry')]).toEqual([503, 'false']);
  expect(await reply.json()).toMatchObject({ error: { code: 'service_unavailable', message: expect.stringContaining(runId) } });
  await stopped;
});

test('a gateway that stops waits for a chat request that came after the signal as for any other', async () => {
  let late: ReturnType<typeof chat> | undefined;
  shutdown.add('drain', 'a late client', async () => {
    late = chat();
    await looked(1);
  });
  const stopped = shutdown.run(log, 60_000);
  await looked(1);
  shutdown.hurry();
  expect((await late!).status).toBe(503);
  await stopped;
});

test('a gateway waits for nobody who has left', async () => {
  const leaving = new AbortController();
  const left = Promise.allSettled([wait(leaving.signal), chat(leaving.signal)]);
  await looked(2);
  leaving.abort();
  expect((await left).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await shutdown.run(log, 60_000);
});
