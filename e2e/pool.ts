import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_ENGINES } from '@nightshift/contracts';
import { environmentOf, isAlive, pidOf } from './processes.ts';
import { executorHost, type ProductState, quietPort } from './product.ts';

export type PoolApp = 'engine-orchestrator' | 'tool-executor';

const root = new URL('..', import.meta.url).pathname;

/** An engine that only the pool has. */
export const ownEngine = 'own';

/** A pool that is deployed while the product runs, with a model server and a catalogue of its own. It is named by its port: by that the gateways find it. */
export async function newPool(product: ProductState, modelUrl: string) {
  const port = await quietPort();
  const name = String(port);
  const processes: ChildProcess[] = [];
  const catalogue = join(product.dataDir, `engines-${name}.json`);
  const upstreams = [{ name: 'theirs', model: 'their-model' }];
  const own = { id: ownEngine, upstreams, prices: { input: 1, output: 1 }, limits: { contextTokens: 16_000 } };
  writeFileSync(catalogue, JSON.stringify({ upstreams: { theirs: { kind: 'openai', baseUrl: `${modelUrl}/v1` } }, engines: [...DEFAULT_ENGINES.map((engine) => ({ ...engine, upstreams })), own] }));
  const urls = { 'engine-orchestrator': `http://127.0.0.1:${port}`, 'tool-executor': `http://${executorHost}:${port}` };

  async function start(app: PoolApp): Promise<void> {
    const log = openSync(join(product.dataDir, `${app}-${name}.log`), 'a');
    const child = spawn(process.execPath, [join(root, 'apps', app, 'dist/main.js')], {
      stdio: ['ignore', log, log],
      env: {
        ...environmentOf(pidOf(product.dataDir, `${app}-1`)),
        POOL: name,
        HOST: new URL(urls[app]).hostname,
        PORT: name,
        METRICS_PORT: '0',
        ENGINE_ORCHESTRATOR_URL: urls['engine-orchestrator'],
        TOOL_EXECUTOR_URL: urls['tool-executor'],
        ENGINES_FILE: catalogue,
      },
    });
    closeSync(log);
    processes.push(child);
    await once(child, 'spawn');
  }

  async function stop(): Promise<void> {
    await Promise.all(processes.map(async (child) => {
      const ended = once(child, 'exit');
      if (child.pid === undefined || !isAlive(child.pid)) return;
      child.kill('SIGTERM');
      await ended;
    }));
  }

  return { name, start, stop };
}
