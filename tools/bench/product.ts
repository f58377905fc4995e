import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endLeftovers } from '../leftovers.ts';
import { type CpuTimes, cpuTimes, memoryBytes } from './cpu.ts';
import type { Target } from './load-job.ts';
import { stopProcess } from './process.ts';

export type Shape = 'standalone' | 'cluster';

export type Product = {
  readonly target: Target;
  /** The operator's API. */
  readonly admin: { readonly url: string; readonly token: string };
  cpu(): CpuTimes;
  /** Address of the database that it started. */
  databaseUrl(): string;
  /** Memory of its own processes, in bytes. */
  memory(): number;
  /** Stops it and starts it again with its data; how long the second start took, in milliseconds. */
  restart(): Promise<number>;
  /** Ends every process it consists of and removes its data. */
  stop(): Promise<void>;
};

const root = join(import.meta.dirname, '../..');
const entries: Record<Shape, string> = { standalone: 'apps/standalone/dist/main.js', cluster: 'tools/cluster.ts' };
const readyTimeoutMs = 120_000;
const stopTimeoutMs = 30_000;

/** Starts the product with empty data, the fake model as its upstream and `settings` of its environment, and waits until it is ready. Throws with the end of its log when it is not. */
export async function startProduct(shape: Shape, upstreamUrl: string, signal: AbortSignal, settings: Readonly<Record<string, string>> = {}): Promise<Product> {
  const entry = join(root, entries[shape]);
  if (!existsSync(entry)) throw new Error(`${entries[shape]} is missing; start with \`npm run bench\`, which builds it`);
  const dataDir = mkdtempSync(join(tmpdir(), 'nightshift-bench-'));
  const mark = `NIGHTSHIFT_BENCH=${dataDir}`;
  const port = await freePort();
  const adminPort = await freePort();
  const target = { url: `http://127.0.0.1:${port}`, apiKey: `sk-bench-${randomBytes(16).toString('hex')}` };
  const admin = { url: `http://127.0.0.1:${adminPort}/admin/v1`, token: randomBytes(24).toString('hex') };
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const logFile = join(dataDir, 'bench.log');
  const launch = (): ChildProcess => {
    const log = openSync(logFile, 'a');
    const launched = spawn(process.execPath, [entry], {
      cwd: root,
      // In a session of its own, so that a Ctrl-C reaches it through us, after the load has ended.
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        ...inherited,
        ...settings,
        NIGHTSHIFT_BENCH: dataDir,
        HOST: '127.0.0.1',
        PORT: String(port),
        ADMIN_PORT: String(adminPort),
        DATA_DIR: dataDir,
        BOOTSTRAP_API_KEY: target.apiKey,
        ADMIN_TOKEN: admin.token,
        UPSTREAM_BASE_URL: upstreamUrl,
        UPSTREAM_MODEL: 'fake',
        EGRESS_ALLOW: '127.0.0.0/8',
        LOG_FORMAT: 'json',
      },
    });
    closeSync(log);
    return launched;
  };
  let child = launch();

  const ready = async (): Promise<void> => {
    const endMs = Date.now() + readyTimeoutMs;
    while (!(await isReady(target.url))) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > endMs) {
        throw new Error(`the ${shape} product did not become ready; the end of its log:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
      }
      await delay(20, undefined, { signal });
    }
  };
  const stop = async (): Promise<void> => {
    await stopProcess(child, stopTimeoutMs);
    await endLeftovers(mark, 2_000);
    rmSync(dataDir, { recursive: true, force: true });
  };
  const restart = async (): Promise<number> => {
    await stopProcess(child, stopTimeoutMs);
    const startedMs = performance.now();
    child = launch();
    await ready();
    return performance.now() - startedMs;
  };

  try {
    await ready();
  } catch (error) {
    await stop();
    throw error;
  }
  const inDatabase = (file: string): string => readFileSync(join(dataDir, 'postgres', file), 'utf8').trim();
  const databaseUrl = (): string => `postgres://nightshift:${inDatabase('password')}@127.0.0.1:${inDatabase('port')}/nightshift`;
  return { target, admin, databaseUrl, cpu: () => cpuTimes(mark, dataDir), memory: () => memoryBytes(mark, dataDir), restart, stop };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2_000) });
    return response.ok && !(await response.text()).includes('degraded');
  } catch {
    // Not listening yet; whoever waits here gives up after a while.
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
