import { describe, expect, test } from '@jest/globals';
import { type App, apps, inheritedEnvironment, parseReplicas, planServices, type Secrets, stopTimeoutMs } from './plan.ts';

const secrets: Secrets = {
  apiKey: 'made-key',
  adminToken: 'made-admin',
  sealPublicKey: 'public-half',
  sealPrivateKey: 'private-half',
  encryptionKey: 'at-rest',
  serviceTokens: Object.fromEntries(apps.map((app) => [app, `token-of-${app}`])) as Record<App, string>,
};

async function plan(environment: Record<string, string> = {}) {
  let port = 20_000;
  const services = await planServices(environment, secrets, () => Promise.resolve(port++));
  return { services, named: (name: string) => services.find((service) => service.name === name) };
}

describe('the plan of the local cluster', () => {
  test('has one process of each app, all on different ports', async () => {
    const { services } = await plan();
    expect(services.map(({ name }) => name)).toEqual(apps.map((app) => `${app}-1`));
    const ports = services.flatMap(({ port, metricsPort, adminPort }) => [port, metricsPort, ...(adminPort === undefined ? [] : [adminPort])]);
    expect(new Set(ports).size).toBe(2 * apps.length + 1);
  });

  test('gives nobody a free port that a gateway is told to listen on', async () => {
    const { services, named } = await plan({ PORT: '20000', ADMIN_PORT: '20003', REPLICAS: 'gateway=2' });
    expect(named('gateway-2')).toMatchObject({ port: 20_010, adminPort: 20_013 });
    const ports = services.flatMap(({ port, metricsPort, adminPort }) => [port, metricsPort, ...(adminPort === undefined ? [] : [adminPort])]);
    expect(new Set(ports).size).toBe(2 * services.length + 2);
  });

  test('puts further gateways on PORT + 10, PORT + 20', async () => {
    const { named } = await plan({ PORT: '9000', REPLICAS: 'gateway=3' });
    expect(named('gateway-3')).toMatchObject({ port: 9020, adminPort: 9021, env: { PORT: '9020', ADMIN_PORT: '9021' } });
  });

  test('tells every service all addresses of a replicated one', async () => {
    const { services, named } = await plan({ REPLICAS: 'engine-orchestrator=2' });
    const urls = `http://127.0.0.1:${named('engine-orchestrator-1')?.port},http://127.0.0.1:${named('engine-orchestrator-2')?.port}`;
    expect(services.map(({ env }) => env['ENGINE_ORCHESTRATOR_URL'])).toEqual(services.map(() => urls));
  });

  test('adds an engine and an executor for each pool, which nobody else is sent to', async () => {
    const { named } = await plan({ POOLS: 'acme' });
    const engine = named('engine-orchestrator-acme-1');
    expect(engine?.env['POOL']).toBe('acme');
    expect(named('tool-executor-acme-1')?.env['POOL']).toBe('acme');
    expect(named('engine-orchestrator-1')?.env['POOL']).toBe('shared');
    expect(named('gateway-1')?.env['ENGINE_ORCHESTRATOR_URL']).not.toContain(String(engine?.port));
  });

  test('has the two kinds of a pool speak to each other, and tells the gateway where they are', async () => {
    const { named } = await plan({ POOLS: 'acme,globex', REPLICAS: 'tool-executor-acme=2', TOOL_EXECUTOR_POOL_URLS: '*=http://{pool}' });
    const urlOf = (name: string) => `http://127.0.0.1:${named(name)?.port}`;
    const executors = [urlOf('tool-executor-acme-1'), urlOf('tool-executor-acme-2')];
    expect(named('engine-orchestrator-acme-1')?.env['TOOL_EXECUTOR_URL']).toBe(executors.join(','));
    expect(named('tool-executor-acme-2')?.env['ENGINE_ORCHESTRATOR_URL']).toBe(urlOf('engine-orchestrator-acme-1'));
    expect(named('runs-1')?.env['ENGINE_ORCHESTRATOR_URL']).toBe(urlOf('engine-orchestrator-1'));
    expect(named('gateway-1')?.env).toMatchObject({
      ENGINE_ORCHESTRATOR_POOL_URLS: `acme=${urlOf('engine-orchestrator-acme-1')},globex=${urlOf('engine-orchestrator-globex-1')}`,
      TOOL_EXECUTOR_POOL_URLS: [...executors.map((url) => `acme=${url}`), `globex=${urlOf('tool-executor-globex-1')}`, '*=http://{pool}'].join(','),
    });
  });

  test('gives each secret only to the app that needs it', async () => {
    const { services } = await plan();
    const holders = (secret: string) => services.filter(({ env }) => Object.values(env).includes(secret)).map(({ app }) => app);
    expect(holders('private-half')).toEqual(['tool-executor']);
    expect(holders('public-half')).toEqual(['gateway']);
    expect(holders('at-rest')).toEqual(['webhook-dispatcher']);
    expect(holders('made-key')).toEqual(['gateway']);
    expect(holders('made-admin')).toEqual(['gateway']);
    expect(holders('token-of-runs')).toEqual(['runs']);
  });

  test('takes secrets from the environment or its files before its own', async () => {
    const { named } = await plan({ BOOTSTRAP_API_KEY: 'chosen', ADMIN_TOKEN_FILE: '/run/secrets/admin' });
    expect(named('gateway-1')?.env).toMatchObject({ BOOTSTRAP_API_KEY: 'chosen', ADMIN_TOKEN_FILE: '/run/secrets/admin' });
    expect(named('gateway-1')?.env).not.toHaveProperty('ADMIN_TOKEN');
  });

  test('hands the previous encryption key on while there is one', async () => {
    const rotating = await plan({ ENCRYPTION_KEY: 'new', ENCRYPTION_KEY_PREVIOUS_FILE: '/run/secrets/old' });
    expect(rotating.named('webhook-dispatcher-1')?.env).toMatchObject({ ENCRYPTION_KEY: 'new', ENCRYPTION_KEY_PREVIOUS_FILE: '/run/secrets/old' });
    expect((await plan()).named('webhook-dispatcher-1')?.env).not.toHaveProperty('ENCRYPTION_KEY_PREVIOUS');
  });

  test.each([
    [{ POOLS: 'shared' }, 'POOLS: "shared"'],
    [{ POOLS: 'Acme!' }, 'POOLS: "Acme!"'],
    [{ REPLICAS: 'engine=2' }, 'REPLICAS: there is no "engine"'],
    [{ REPLICAS: 'runs=0' }, 'REPLICAS: "runs=0"'],
    [{ PORT: 'eighty' }, 'PORT is not a port: eighty'],
  ])('refuses %j', async (environment, problem) => {
    await expect(plan(environment)).rejects.toThrow(problem);
  });
});

test('replicas are read by name', () => {
  expect(parseReplicas('a=2, b=3', ['a', 'b'])).toEqual(new Map([['a', 2], ['b', 3]]));
});

describe('what services inherit', () => {
  test('is everything but what is for the cluster or for one service', () => {
    const inherited = inheritedEnvironment({ LOG_LEVEL: 'debug', UPSTREAM_BASE_URL: 'http://model', PORT: '1', REPLICAS: 'runs=2', SEAL_PRIVATE_KEY: 's', ENCRYPTION_KEY: 'e', ENCRYPTION_KEY_PREVIOUS: 'p', ADMIN_TOKEN_FILE: '/f' });
    expect(inherited).toMatchObject({ LOG_LEVEL: 'debug', UPSTREAM_BASE_URL: 'http://model' });
    for (const name of ['PORT', 'REPLICAS', 'SEAL_PRIVATE_KEY', 'ENCRYPTION_KEY', 'ENCRYPTION_KEY_PREVIOUS', 'ADMIN_TOKEN_FILE']) expect(inherited).not.toHaveProperty(name);
  });

  test('drains in 5 s unless told otherwise', () => {
    expect(inheritedEnvironment({ TURN_DRAIN_MS: '60000' })).toMatchObject({ SHUTDOWN_GRACE_MS: '5000', TURN_DRAIN_MS: '60000', STREAM_DRAIN_MS: '5000' });
    expect(stopTimeoutMs({ TURN_DRAIN_MS: '60000' })).toBe(65_000);
    expect(stopTimeoutMs({})).toBe(10_000);
  });
});
