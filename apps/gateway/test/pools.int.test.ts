import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError, DEFAULT_ENGINES, type InternalQueues, type ServedPool, type Waiting } from '@nightshift/contracts';
import { InternalClient, type InternalTransport, portOf } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, type Logger, metrics, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Service, Surroundings } from '@nightshift/service';
import { generateSealKeyPair, must } from '@nightshift/std';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import { buildGateway, GatewayEnvironment, listenAdmin } from '../src/index.ts';
import { NeighboursLoop } from '../src/neighbours.loop.ts';
import type { PooledOrg } from '../src/pool.ts';
import { Pools } from '../src/pools.client.ts';
import { PoolsLoop } from '../src/pools.loop.ts';

const log = createLog({ level: 'silent', format: 'json' });
const ADMIN = 'operators-own-token';
const KEY = 'sk-ns-bootstrap-key';
const nothing: Waiting = { count: 0, oldestSeconds: 0 };
const served = (name: string, live: number, more: Partial<ServedPool> = {}): ServedPool => ({ name, live, waiting: nothing, ...more });

type Asked = { readonly by: string; readonly path: string; readonly body: unknown };

/** What the other services know and were asked, each by its name, those of dedicated pools as `<app> of <pool>`. */
const world = { engines: [] as ServedPool[], executors: [] as ServedPool[], queues: [] as InternalQueues['queues'], away: new Set<string>(), old: new Set<string>(), letters: {} as Record<string, readonly object[]>, asked: [] as Asked[] };

function neighbour(name: string): InternalClient {
  const answer: InternalTransport = ({ path, body }) => {
    const asked = { by: name, path: path.split('?')[0] as string, body: JSON.parse(body ?? 'null') as unknown };
    world.asked.push(asked);
    if (world.away.has(name)) return Promise.resolve({ status: 503, body: '' });
    const answers: Record<string, object> = {
      ...(!world.old.has(name) && { '/internal/pools': { pools: name === 'tool-executor' ? world.executors : world.engines } }),
      '/internal/queues': { queues: world.queues },
      '/internal/runs': { runId: (asked.body as { runId: string } | null)?.runId, replayed: false },
      '/internal/tools/resolve': { tools: {} },
      '/internal/webhooks/egress': {},
      '/internal/dead-letters/redrive': world.letters[name]?.[Number((asked.body as { after?: string } | null)?.after ?? 0)] ?? { count: 0, failed: 0 },
    };
    return Promise.resolve(asked.path in answers ? { status: 200, body: JSON.stringify(answers[asked.path]) } : { status: 404, body: '' });
  };
  return new InternalClient(answer, 'token', undefined, ({ path, body }) => {
    world.asked.push({ by: name, path, body: JSON.parse(body) });
    return Promise.resolve({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"object":"chat.completion"}' });
  });
}

let database: TestDatabase;
let service: Service;
let around: Surroundings;
let urls: { api: string; admin: string };

beforeAll(async () => {
  database = await testDatabase({ template: 'empty', migrate: () => Promise.resolve() });
  around = {
    log, bus: new LocalBus(), hints: new InProcessHints(), readiness: new ReadinessChecks(), shutdown: new Shutdown(), databaseUrl: database.url, connectionsMax: 4,
    pool: 'shared', onePool: undefined, serviceTokens: new Map(), neighbours: [], client: neighbour, poolClient: (app, pool) => (pool === 'nowhere' ? undefined : neighbour(`${app} of ${pool}`)),
  };
  const environment = GatewayEnvironment.parse({ ADMIN_TOKEN: ADMIN, BOOTSTRAP_API_KEY: KEY, SEAL_PUBLIC_KEY: generateSealKeyPair().publicKey, ADMIN_PORT: '0', UPSTREAM_BASE_URL: 'http://127.0.0.1:1/v1', UPSTREAM_MODEL: 'everybodys-model' });
  service = await buildGateway(environment, around);
  await service.app.listen(0, '127.0.0.1');
  const port = portOf(service.app);
  const adminPort = await listenAdmin(service, { ...environment, HOST: '127.0.0.1', PORT: port }, around);
  urls = { api: `http://127.0.0.1:${port}/v1`, admin: `http://127.0.0.1:${adminPort}/admin/v1` };
  await looked();
});
afterEach(() => void Object.assign(world, { engines: [], executors: [], queues: [], away: new Set(), old: new Set(), letters: {}, asked: [] }));
afterAll(async () => {
  await around.shutdown.run(log, 1000);
  await database.drop();
});

type Reply = { status: number; body: Record<string, unknown> & { id: string; key: string; pools: { name: string }[]; data: { id: string }[]; runId: string; warnings?: string[]; error?: { code: string } } };

async function send(base: string, token: string, method: string, path: string, body?: object): Promise<Reply> {
  const response = await fetch(`${base}${path}`, { method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, ...(body && { body: JSON.stringify(body) }) });
  return { status: response.status, body: (await response.json()) as Reply['body'] };
}

const admin = (method: string, path: string, body?: object) => send(urls.admin, ADMIN, method, path, body);
const looked = () => service.app.get(Pools).look();
const poolsOf = (orgs: PooledOrg[]) => new Pools({ orgs: { pooled: () => Promise.resolve(orgs) }, runs: neighbour('runs'), engine: neighbour('engine-orchestrator'), executor: neighbour('tool-executor'), onePool: undefined });

/** An organisation of a pool, and a key of it. */
async function tenant(pool: string): Promise<{ id: string; api: (method: string, path: string, body?: object) => Promise<Reply> }> {
  const { id } = (await admin('POST', '/orgs', { name: pool, pool })).body;
  const { key } = (await admin('POST', `/orgs/${id}/keys`, { name: 'key' })).body;
  return { id, api: (method, path, body) => send(urls.api, key, method, path, body) };
}

/** The pool that a new run is created in. */
async function poolOfRun({ api }: Awaited<ReturnType<typeof tenant>>): Promise<unknown> {
  const { runId } = (await api('POST', '/runs', { engine: 'tim', input: { instructions: 'go' } })).body;
  return (must(world.asked.find(({ path, body }) => path === '/internal/runs' && (body as { runId: string }).runId === runId), 'creation').body as { pool: string }).pool;
}

describe('the operator', () => {
  test('sees every pool: its organisations, its processes, and what waits', async () => {
    const { id } = await tenant('acme');
    world.engines = [served('shared', 2, { waiting: { count: 5, oldestSeconds: 1.5 } }), served('acme', 1, { lastSeenAt: '2026-01-01T00:00:00.000Z', catalogue: { engines: [], offline: false } })];
    world.executors = [served('shared', 1)];
    world.queues = [{ pool: 'acme', waiting: { count: 3, oldestSeconds: 60 } }];
    const { status, body } = await admin('GET', '/pools');
    expect(status).toBe(200);
    expect(body.pools).toEqual([
      { name: 'acme', state: 'impaired', problems: [expect.stringContaining('POOL=acme')], orgs: [{ id, name: 'acme' }], engines: { live: 1, lastSeenAt: '2026-01-01T00:00:00.000Z' }, executors: { live: 0 }, queuedRuns: { count: 3, oldestSeconds: 60 }, turns: nothing, toolCalls: nothing },
      { name: 'shared', state: 'live', problems: [], orgs: [], engines: { live: 2 }, executors: { live: 1 }, turns: { count: 5, oldestSeconds: 1.5 }, toolCalls: nothing },
    ]);
  });

  test('needs the operator’s token, and the services that know', async () => {
    expect((await send(urls.admin, KEY, 'GET', '/pools')).status).toBe(401);
    world.away.add('engine-orchestrator');
    expect(await admin('GET', '/pools')).toMatchObject({ status: 503, body: { error: { code: 'service_unavailable' } } });
  });

  test('is warned of a pool that nobody serves, and may assign it all the same', async () => {
    const { id } = await tenant('shared');
    expect(await admin('PATCH', `/orgs/${id}`, { pool: 'planned' })).toMatchObject({ status: 200, body: { pool: 'planned', warnings: [expect.stringContaining('engine-orchestrator'), expect.stringContaining('tool-executor')] } });
    expect(await admin('GET', `/orgs/${id}`)).toMatchObject({ status: 200, body: { pool: 'planned' } });
    expect((await admin('POST', '/orgs', { name: 'new', pool: 'planned' })).body.warnings).toHaveLength(2);
    world.engines = world.executors = [served('planned', 1)];
    expect((await admin('PATCH', `/orgs/${id}`, { name: 'served' })).body).not.toHaveProperty('warnings');
    world.away.add('tool-executor');
    expect((await admin('PATCH', `/orgs/${id}`, { name: 'again' })).body.warnings).toEqual([expect.stringContaining('cannot be told')]);
    world.away.clear();
    world.old.add('engine-orchestrator');
    expect(await admin('PATCH', `/orgs/${id}`, { name: 'upgraded' })).toMatchObject({ status: 200, body: { name: 'upgraded', warnings: [expect.stringContaining('cannot be told')] } });
  });

  test.each(['', 'Acme', 'a.b', '-acme', 'a_b', 'ä', 'a'.repeat(42)])('cannot name a pool "%s"', async (pool) => {
    expect((await admin('POST', '/orgs', { name: 'x', pool })).status).toBe(400);
    expect((await admin('PATCH', '/orgs/org_default', { pool })).status).toBe(400);
  });
});

describe('an organisation that is moved', () => {
  test('has its new runs in the other pool without a restart', async () => {
    const moved = await tenant('shared');
    expect(await poolOfRun(moved)).toBe('shared');
    await admin('PATCH', `/orgs/${moved.id}`, { pool: 'acme' });
    await waitFor(async () => (await poolOfRun(moved)) === 'acme');
  });
});

describe('what takes a pool’s capacity', () => {
  const chat = { model: 'everybodys-model', messages: [{ role: 'user', content: 'hi' }] };
  const askedOf = (path: string) => world.asked.filter((asked) => asked.path === path).map(({ by }) => by);

  test('is asked of its own processes alone: plain calls and tests of tools', async () => {
    const { api } = await tenant('acme');
    expect((await api('POST', '/chat/completions', chat)).status).toBe(200);
    await api('POST', '/tools/tool_1/test', { arguments: {} });
    expect([askedOf('/internal/chats'), askedOf('/internal/tools/tool_1/test')]).toEqual([['engine-orchestrator of acme'], ['tool-executor of acme']]);
  });

  test('is refused where these are not known, and never asked of others', async () => {
    const { api } = await tenant('nowhere');
    expect(await api('POST', '/chat/completions', chat)).toMatchObject({ status: 503, body: { error: { code: 'service_unavailable' } } });
    expect(await api('POST', '/tools/tool_1/test', { arguments: {} })).toMatchObject({ status: 503 });
    expect([askedOf('/internal/chats'), askedOf('/internal/tools/tool_1/test')]).toEqual([[], []]);
  });

  test('is not in what is only read: that is asked of the pool while it is served, and of the shared processes otherwise', async () => {
    const { api } = await tenant('acme');
    const run = { engine: 'tim', input: { instructions: 'go', tools: [{ type: 'platform', id: 'saved' }] } };
    await looked();
    await api('POST', '/runs', run);
    world.executors = [served('acme', 1)];
    await looked();
    await api('POST', '/runs', run);
    expect(askedOf('/internal/tools/resolve')).toEqual(['tool-executor', 'tool-executor of acme']);
  });

  test('is where its dead letters are handled again; those of a pool without processes stay', async () => {
    Object.assign(world.letters, {
      'engine-orchestrator': [{ count: 1, failed: 0, elsewhere: { acme: 3 }, next: '1' }, { count: 1, failed: 1, elsewhere: { acme: 1, globex: 5, nowhere: 6 } }],
      'engine-orchestrator of acme': [{ count: 2, failed: 0, next: '1' }, { count: 1, failed: 1 }],
    });
    world.away.add('engine-orchestrator of globex');
    expect(await admin('POST', '/dead-letters/redrive', { filter: { service: 'engine-orchestrator' } })).toEqual({ status: 200, body: { count: 5, failed: 1 + 1 + 5 + 6 } });
  });
});

test('the callers of a pool can name what its engines serve, also when these have gone', async () => {
  const own = { ...must(DEFAULT_ENGINES[0], 'engine'), id: 'acmes-engine', aliases: [], upstreams: [{ name: 'acmes', model: 'acmes-model' }] };
  world.engines = [served('acme', 0, { catalogue: { engines: [own], offline: false } })];
  // Also while others are away.
  world.away.add('tool-executor');
  await expect(looked()).rejects.toThrow(AppError);
  const [acme, other] = [await tenant('acme'), await tenant('shared')];
  expect((await acme.api('GET', '/models')).body.data.map(({ id }) => id)).toEqual(['acmes-engine', 'acmes-model']);
  expect((await acme.api('GET', '/models/acmes-model')).status).toBe(200);
  expect((await other.api('GET', '/models/acmes-model')).status).toBe(404);
  const run = { engine: 'acmes-engine', input: { instructions: 'go' } };
  expect([(await acme.api('POST', '/runs', run)).status, (await other.api('POST', '/runs', run)).status]).toEqual([202, 400]);
  expect((await acme.api('POST', '/chat/completions', { model: 'acmes-model', messages: [{ role: 'user', content: 'hi' }] })).status).toBe(200);
});

test('a pool that is wanted and loses its processes is logged once, measured, and logged again when they are back', async () => {
  const lines: unknown[] = [];
  const note = (level: string) => (facts: { pool: string }, text: string) => void lines.push([level, facts.pool, text]);
  const told = { warn: note('warn'), info: note('info'), debug: () => undefined, error: (facts: unknown) => void lines.push(facts) } as unknown as Logger;
  let looks = 0;
  const orgs = [{ id: 'org_1', name: 'Acme', pool: 'acme' }];
  const pools = poolsOf(orgs);
  const loop = new PoolsLoop({ look: async () => (looks += 1, await pools.look()) }, told, 1);
  const served1 = (live: number) => (world.engines = world.executors = [served('acme', live), served('shared', 1), served('unwanted', 0, { lastSeenAt: '2026-01-01T00:00:00.000Z' })]);
  const after = async (rounds: number) => {
    const until = looks + rounds;
    await waitFor(() => looks >= until);
  };
  served1(0);
  world.queues = [{ pool: 'acme', waiting: { count: 3, oldestSeconds: 60 } }];
  loop.start();
  await after(6);
  expect(lines).toEqual([['warn', 'acme', 'pool has no consumers']]);
  const value = async (metric: { get(): Promise<{ values: { labels: object; value: number }[] }> }, labels: object) => (await metric.get()).values.filter((one) => expect.objectContaining(labels).asymmetricMatch(one.labels)).map((one) => one.value);
  expect(await value(metrics.poolConsumers, { pool: 'acme' })).toEqual([0, 0]);
  expect([await value(metrics.poolWaiting, { pool: 'acme', work: 'run' }), await value(metrics.poolOldest, { pool: 'acme', work: 'run' })]).toEqual([[3], [60]]);
  served1(2);
  await after(3);
  expect(lines.slice(1)).toEqual([['info', 'acme', 'pool is served again']]);
  expect(await value(metrics.poolConsumers, { pool: 'acme' })).toEqual([2, 2]);
  // What cannot be seen is not told any more.
  world.away.add('tool-executor');
  await after(3);
  expect(await value(metrics.poolConsumers, { pool: 'acme' })).toEqual([]);
  loop.stop();
});

test('a service behind the gateway that is gone, or not ready, is measured by the gateway', async () => {
  const answers: Record<string, { status: number; body: string }> = {
    billing: { status: 200, body: '{"status":"ready"}' },
    runs: { status: 200, body: '{"status":"degraded","missing":["redis"]}' },
    'tool-executor': { status: 503, body: '{"status":"unready","reasons":["the database does not answer"]}' },
  };
  const loop = new NeighboursLoop(
    (['billing', 'runs', 'tool-executor', 'webhook-dispatcher'] as const).map((app) => [app, new InternalClient(() => (answers[app] ? Promise.resolve(answers[app]) : Promise.reject(new AppError('service_unavailable'))), 'token')] as const),
    5,
  );
  const up = async () => Object.fromEntries((await metrics.dependencyUp.get()).values.filter(({ labels }) => labels['service'] === 'gateway' && labels['dependency'] !== 'postgres').map(({ labels, value }) => [labels['dependency'], value]));
  loop.start();
  await waitFor(async () => Object.keys(await up()).length === 4);
  expect(await up()).toEqual({ billing: 1, runs: 1, 'tool-executor': 0, 'webhook-dispatcher': 0 });
  answers['webhook-dispatcher'] = { status: 200, body: '{"status":"ready"}' };
  await waitFor(async () => (await up())['webhook-dispatcher'] === 1);
  loop.stop();
});

test('what an organisation may reach is told to the owner of its subscriptions; while that is away, the operator is warned', async () => {
  const { id, api } = await tenant('shared');
  // The key is known from now on with what its organisation may reach now.
  await api('GET', '/models');
  const change = (egressAllow: string[]) => admin('PATCH', `/orgs/${id}`, { egressAllow });
  expect((await change(['10.20.0.0/16'])).body).toMatchObject({ egressAllow: ['10.20.0.0/16'] });
  expect(world.asked.findLast(({ by }) => by === 'webhook-dispatcher')).toMatchObject({ path: '/internal/webhooks/egress', body: { orgId: id, egressAllow: ['10.20.0.0/16'] } });
  await api('POST', '/webhooks/subscriptions', { callbackUrl: 'https://example.com/hook', eventTypes: ['job.failed'] });
  expect(world.asked.findLast(({ by }) => by === 'webhook-dispatcher')).toMatchObject({ path: '/internal/webhooks/subscriptions', body: { egressAllow: ['10.20.0.0/16'] } });
  world.away.add('webhook-dispatcher');
  expect(await change([])).toMatchObject({ status: 200, body: { egressAllow: [], warnings: [expect.stringContaining('make the change again')] } });
});
