import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_ENGINES } from '@nightshift/contracts';
import { databasePids, isAlive, pidsOf } from './processes.ts';
import { until } from './until.ts';

export type Shape = 'standalone' | 'cluster';

/** The shapes that every story runs in; SHAPES=standalone leaves the cluster out. */
export const shapes = (process.env['SHAPES'] ?? 'standalone,cluster').split(',') as Shape[];

/** Short, so that a test sees a lease run out, and longer than a killed service takes to be there again on two busy cores. */
export const leaseMs = 10_000;

/**
 * What is known of a product that runs; it is kept in a file, because test files share products and not memory.
 * Without an `apiKey` the product makes its own secrets, and with the `modelPort` 0 the offline engine answers.
 */
export type ProductState = {
  shape: Shape;
  pid: number;
  dataDir: string;
  port: number;
  adminPort: number;
  modelPort: number;
  /** Where traces are exported to, those that a caller has asked for and those that have failed. */
  tracePort: number;
  apiKey: string;
  adminToken: string;
};

/** The one origin that may call from a browser. */
export const browserOrigin = 'https://app.example';

/** Where a pool's executors listen: on the port of its engines, at an address of their own. */
export const executorHost = '127.0.0.2';

const root = new URL('..', import.meta.url).pathname;
const entry: Record<Shape, string> = { standalone: 'apps/standalone/dist/main.js', cluster: 'tools/cluster.ts' };

/** A port below those that the kernel gives to outgoing connections and those that products choose for themselves, so that it can be closed and opened again. */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = 4_000 + Math.floor(Math.random() * 8_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** An engine with room for 16,000 tokens; only the cluster has it. */
export const smallEngine = 'small';

/** What the model is reached by: the cluster has a catalogue of its own, standalone the default one. */
function upstreamOf({ shape, dataDir, modelPort }: ProductState): Record<string, string> {
  const baseUrl = `http://127.0.0.1:${modelPort}/v1`;
  if (shape === 'standalone') return { UPSTREAM_BASE_URL: baseUrl, UPSTREAM_API_KEY: 'upstream-key', UPSTREAM_MODEL: 'fake-model' };
  const upstreams = [{ name: 'fake', model: 'fake-model' }];
  const small = { id: smallEngine, upstreams, prices: { input: 1, output: 1 }, limits: { contextTokens: 16_000 } };
  const catalogue = { upstreams: { fake: { kind: 'openai', baseUrl, apiKeyEnv: 'UPSTREAM_API_KEY' } }, engines: [...DEFAULT_ENGINES.map((engine) => ({ ...engine, upstreams })), small] };
  const file = join(dataDir, 'engines.json');
  writeFileSync(file, JSON.stringify(catalogue));
  return { ENGINES_FILE: file, UPSTREAM_API_KEY: 'upstream-key' };
}

/** Starts the process of a product whose ports and data are settled, new or killed before. */
export function launch(state: ProductState): ProductState {
  const log = openSync(join(state.dataDir, 'e2e.log'), 'a');
  // What would lead the product to other servers or another configuration than its own stays outside.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|DATABASE_URL|KAFKA_|REDIS_URL|ENGINES_FILE|TEST_|JEST_)/.test(name));
  const child = spawn(process.execPath, [entry[state.shape]], {
    cwd: root,
    detached: true,
    stdio: ['ignore', log, log],
    env: {
      ...Object.fromEntries(inherited),
      HOST: '127.0.0.1',
      PORT: String(state.port),
      ADMIN_PORT: String(state.adminPort),
      DATA_DIR: state.dataDir,
      ...(state.apiKey && { BOOTSTRAP_API_KEY: state.apiKey, ADMIN_TOKEN: state.adminToken }),
      ...(state.modelPort && upstreamOf(state)),
      EGRESS_ALLOW: '127.0.0.0/8',
      BROWSER_ORIGINS: browserOrigin,
      WEBHOOK_RETRY_SECONDS: '1,1,2,2,4,4,8,8,16,16',
      WORK_LEASE_MS: String(leaseMs),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${state.tracePort}`,
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      OTEL_BSP_SCHEDULE_DELAY: '200',
      REPLICAS: 'gateway=2,runs=2,engine-orchestrator=2,tool-executor=2,webhook-dispatcher=2,billing=2',
      ENGINE_ORCHESTRATOR_POOL_URLS: '*=http://127.0.0.1:{pool}',
      TOOL_EXECUTOR_POOL_URLS: `*=http://${executorHost}:{pool}`,
    },
  });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new Error(`${process.execPath} could not be started`);
  return { ...state, pid: child.pid };
}

/** Ports, keys and an empty data folder for a product that is to be launched. */
export async function newState(shape: Shape): Promise<ProductState> {
  const dataDir = mkdtempSync(join(tmpdir(), 'nightshift-e2e-'));
  // PostgreSQL runs under an unprivileged account when we are root, and has to pass through.
  chmodSync(dataDir, 0o711);
  return {
    shape,
    pid: 0,
    dataDir,
    port: await quietPort(),
    adminPort: await quietPort(),
    modelPort: await quietPort(),
    tracePort: await quietPort(),
    apiKey: `sk-e2e-${randomBytes(12).toString('hex')}`,
    adminToken: randomBytes(24).toString('hex'),
  };
}

/** All that the product has printed since it was first launched. */
export function outputOf({ dataDir }: ProductState): string {
  return readFileSync(join(dataDir, 'e2e.log'), 'utf8');
}

export type Readiness = { httpStatus: number; status?: string; missing?: string[] };

/** What `/ready` of the gateway says; httpStatus 0 when nobody answers. */
export async function readiness({ port }: ProductState): Promise<Readiness> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(2000) });
    return { ...(JSON.parse(await response.text()) as object), httpStatus: response.status };
  } catch (err) {
    return { httpStatus: 0, status: String(err) };
  }
}

/** Waits until the product answers and misses nothing; fails at once, with its last words, when its process is gone. */
export async function ready(state: ProductState, timeoutMs = 120_000): Promise<void> {
  const lastWords = () => outputOf(state).slice(-4000);
  let last: Readiness = { httpStatus: 0 };
  await until(async () => {
    if (!isAlive(state.pid)) throw new Error(`${entry[state.shape]} has ended:\n${lastWords()}`);
    last = await readiness(state);
    return last.httpStatus === 200 && last.status !== 'degraded';
  }, { timeoutMs, everyMs: 100, what: () => `${state.shape} to be ready (${JSON.stringify(last)}):\n${lastWords()}` });
}

/** Stops the product as an operator does. Whatever is left of it after that is killed, and reported as the fault that it is. */
export async function stop(state: ProductState): Promise<void> {
  const databases = databasePids(state.dataDir).map((pid): [string, number] => [`database ${pid}`, pid]);
  const pids = new Map([...databases, ...pidsOf(state.dataDir), [`${state.shape} itself`, state.pid]]);
  for (const pid of pids.values()) if (isAlive(pid)) process.kill(pid, 'SIGCONT');
  if (isAlive(state.pid)) process.kill(state.pid, 'SIGTERM');
  const alive = () => [...pids].filter(([, pid]) => isAlive(pid));
  try {
    await until(() => alive().length === 0, { timeoutMs: 45_000, everyMs: 50, what: () => alive().map(([name]) => name).join(', ') });
    rmSync(state.dataDir, { recursive: true, force: true });
  } catch (err) {
    const left = alive();
    for (const [, pid] of left) process.kill(pid, 'SIGKILL');
    throw new Error(`${state.shape} left ${left.map(([name]) => name).join(', ')} behind; its data and log stay in ${state.dataDir}`, { cause: err });
  }
}

export function writeState(file: string, state: ProductState): void {
  writeFileSync(file, JSON.stringify(state));
}

export function readState(file: string): ProductState | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ProductState) : undefined;
}
