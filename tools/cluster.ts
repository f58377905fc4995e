/** The cluster shape on one machine: starts infrastructure and services, and starts again whatever ends, until it is told to stop. */
import { existsSync, globSync, realpathSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { claimFolder, freePort, localSecrets } from '@nightshift/runtime';
import { addressesFile, writeAddresses } from './cluster/addresses.ts';
import { banner } from './cluster/banner.ts';
import { keepRunning, type Kept, type Running } from './cluster/keep-running.ts';
import { inheritedEnvironment, planServices, type ServiceProcess, stopTimeoutMs } from './cluster/plan.ts';
import { startService } from './cluster/service-process.ts';
import { startKafka } from './infrastructure/kafka.ts';
import { startPostgres } from './infrastructure/postgres.ts';
import { startRedis } from './infrastructure/redis.ts';
import type { Server } from './infrastructure/server.ts';
import { endLeftovers, findMarked } from './leftovers.ts';

const root = join(import.meta.dirname, '..');
const markName = 'NIGHTSHIFT_CLUSTER';
const leftoverDrainMs = 10_000;
const readyPatienceMs = 60_000;

const dataDir = resolve(root, process.env['DATA_DIR'] || '.nightshift');
const folder = join(dataDir, 'cluster');
const infrastructure = [
  { name: 'postgres', variable: 'DATABASE_URL', start: startPostgres },
  { name: 'kafka', variable: 'KAFKA_BROKERS', start: startKafka },
  { name: 'redis', variable: 'REDIS_URL', start: startRedis },
];

const stopping = new AbortController();
const hurry = new AbortController();
const kept: { servers: Kept<Server>[]; services: Kept<Running>[] } = { servers: [], services: [] };

function say(message: string): void {
  console.error(`nightshift: ${message}`);
}

// What a killed supervisor left running would hold ports and data, and write as if nothing had happened.
async function endFormerCluster(mark: string): Promise<void> {
  const former = findMarked(mark);
  if (former.length === 0) return;
  say(`ending ${former.length} processes of a cluster whose supervisor is gone`);
  for (const { pid } of former) {
    for (const signal of ['SIGTERM', 'SIGCONT'] as const) if (findMarked(mark).some((process) => process.pid === pid)) process.kill(pid, signal);
  }
  await endLeftovers(mark, leftoverDrainMs);
}

/** Starts what the environment does not name; gives the addresses by variable. */
async function startInfrastructure(): Promise<{ servers: Server[]; addresses: Record<string, string> }> {
  const starting = infrastructure.flatMap(({ name, variable, start }) => {
    if (process.env[variable] || process.env[`${variable}_FILE`]) return [];
    // Once started it keeps its port, because the services know it by that.
    let port: number | undefined;
    const startAgain = async () => {
      const server = await start({ dataDir: join(dataDir, name), ...(port === undefined ? {} : { port }) });
      port = Number(/:(\d+)(\/|$)/.exec(server.address)?.[1]);
      return server;
    };
    const supervised = keepRunning(name, join(folder, `${name}.pid`), startAgain, say);
    kept.servers.push(supervised);
    return [supervised.started.then((server) => ({ variable, server }))];
  });
  const started = await Promise.all(starting);
  return { servers: started.map(({ server }) => server), addresses: Object.fromEntries(started.map(({ variable, server }) => [variable, server.address])) };
}

async function isReady(port: number, host: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${host}:${port}/ready`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Not listening yet; whoever waits here says so after a while.
    return false;
  }
}

async function waitUntilReady(services: readonly ServiceProcess[]): Promise<void> {
  const tellAt = Date.now() + readyPatienceMs;
  let isTold = false;
  for (let waiting = [...services]; waiting.length > 0 && !stopping.signal.aborted; ) {
    const answers = await Promise.all(waiting.map(({ port, env }) => isReady(port, ['0.0.0.0', '::'].includes(env['HOST'] ?? '') ? '127.0.0.1' : (env['HOST'] ?? '127.0.0.1'))));
    waiting = waiting.filter((_, index) => answers[index] !== true);
    if (waiting.length > 0 && !isTold && Date.now() > tellAt) {
      isTold = true;
      say(`still waiting for ${waiting.map(({ name }) => name).join(', ')}; see ${folder}/*.log`);
    }
    if (waiting.length > 0) await delay(100, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

async function start(): Promise<void> {
  claimFolder(folder);
  const mark = { [markName]: realpathSync(folder) };
  await endFormerCluster(`${markName}=${mark[markName]}`);
  for (const name of globSync('*.pid', { cwd: folder })) rmSync(join(folder, name));
  Object.assign(process.env, mark);

  const secrets = localSecrets(dataDir);
  const services = await planServices(process.env, secrets, freePort);
  const missing = [...new Set(services.map(({ app }) => `apps/${app}/dist/main.js`))].filter((path) => !existsSync(join(root, path)));
  if (missing.length > 0) throw new Error(`${missing.join(', ')} is not built; start with \`npm run cluster\``);

  const { servers, addresses } = await startInfrastructure();
  if (stopping.signal.aborted) return;
  writeAddresses(folder, { services, servers: addresses, environment: process.env });
  const env = { ...inheritedEnvironment(process.env), ...addresses };
  for (const service of services) {
    const startAgain = () => startService(service, env, join(folder, `${service.name}.log`), stopTimeoutMs(process.env), hurry.signal);
    kept.services.push(keepRunning(service.name, join(folder, `${service.name}.pid`), startAgain, say));
  }
  await Promise.all(kept.services.map(({ started }) => started));
  await waitUntilReady(services);
  if (stopping.signal.aborted) return;
  const isGiven = (name: string) => Boolean(process.env[name] || process.env[`${name}_FILE`]);
  console.log(
    banner({
      host: process.env['HOST'] || '127.0.0.1',
      dataDir,
      services,
      servers,
      keyFile: isGiven('BOOTSTRAP_API_KEY') ? undefined : join(dataDir, 'api-key'),
      newKey: secrets.created.apiKey && !isGiven('BOOTSTRAP_API_KEY') ? secrets.apiKey : undefined,
      adminTokenFile: isGiven('ADMIN_TOKEN') ? undefined : join(dataDir, 'admin-token'),
    }),
  );
}

// The services first, because they flush into the servers.
async function stop(): Promise<void> {
  rmSync(join(folder, addressesFile), { force: true });
  await Promise.all(kept.services.map((service) => service.stop()));
  await Promise.all(kept.servers.map((server) => server.stop()));
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) hurry.abort();
    else say('stopping');
    stopping.abort();
  });
}

try {
  const stopped = new Promise<void>((settle) => stopping.signal.addEventListener('abort', () => settle()));
  await start();
  await stopped;
} catch (err) {
  say(err instanceof Error ? err.message : String(err));
  process.exitCode = 1;
} finally {
  stopping.abort();
  await stop();
}
