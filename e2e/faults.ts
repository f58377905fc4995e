import { globSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isAlive, pidOf, pidsOf, treeOf } from './processes.ts';
import type { ProductState } from './product.ts';
import { ready } from './product.ts';
import { until } from './until.ts';

/** Kills processes of the product at the same time, and waits until all of them run again and the product is ready. */
export async function restart({ dataDir, ...product }: ProductState, names: readonly string[], signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const killed = names.map((name) => ({ name, pid: pidOf(dataDir, name) }));
  for (const { pid } of killed) process.kill(pid, signal);
  const missing = () => killed.filter(({ name, pid }) => {
    const now = pidsOf(dataDir).get(name);
    return now === undefined || now === pid || !isAlive(now);
  });
  await until(() => missing().length === 0, { timeoutMs: 60_000, what: () => `a new ${missing().map(({ name }) => name).join(', ')}` });
  await ready({ dataDir, ...product }, 60_000);
}

/** Stops a process and its children in their tracks; the function that it gives back lets them go on. */
export function freeze({ dataDir }: ProductState, name: string): () => void {
  const pids = treeOf(pidOf(dataDir, name));
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGCONT');
  };
}

/** Removes all that Kafka has on its disk. */
export function wipeKafka({ dataDir }: ProductState): void {
  const folders = globSync('**/meta.properties', { cwd: dataDir }).map((file) => dirname(join(dataDir, file)));
  if (folders.length === 0) throw new Error(`There is no Kafka log folder below ${dataDir}`);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
