import { setTimeout as delay } from 'node:timers/promises';
import { type Bench, type Benchmark, perform } from './bench.ts';
import { figure } from './figures.ts';
import type { Target } from './load-job.ts';
import { spread } from './stats.ts';

const POOL = 'acme';
const FLOOD = 5_000;
const FLOOD_PER_SECOND = 1_000;
const FLOOD_TURN_MS = 2_000;
const RUNS_PER_SECOND = 20;
const SECONDS = 16;
// The first hundreds of runs of a process are slower than those after them.
const WARM_RUNS = 1_000;
const WARM_RUNS_PER_SECOND = 200;
const PATIENCE_MS = 120_000;
const SETTLE_MS = 2_000;

type PoolRow = { readonly name: string; readonly turns: { readonly count: number } };

async function ask<T>({ product: { admin } }: Bench, method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
  const response = await fetch(`${admin.url}${path}`, { method, headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' }, ...(body && { body: JSON.stringify(body) }) });
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Turns that wait in the shared pool. */
async function queued(bench: Bench): Promise<number> {
  const { pools } = await ask<{ pools: PoolRow[] }>(bench, 'GET', '/pools');
  return pools.find(({ name }) => name === 'shared')?.turns.count ?? 0;
}

/** A key of an organisation that has the pool. */
async function tenant(bench: Bench): Promise<Target> {
  const { id } = await ask<{ id: string }>(bench, 'POST', '/orgs', { name: POOL, pool: POOL });
  const { key } = await ask<{ key: string }>(bench, 'POST', `/orgs/${id}/keys`, { name: 'bench' });
  return { url: bench.product.target.url, apiKey: key };
}

/** From sending each post of the tenant to its first model request, in milliseconds. */
async function firstRequests(bench: Bench, target: Target, seconds: number, perSecond = RUNS_PER_SECOND): Promise<number[]> {
  const { posts } = await perform({ ...bench, product: { ...bench.product, target } }, { tools: 0 }, seconds, { kind: 'rate', perSecond });
  for (const until = Date.now() + PATIENCE_MS; ; await delay(100)) {
    const { runs } = (await (await fetch(`${bench.model.url}/record`)).json()) as { runs: { run: string; firstAtMs: number }[] };
    const firstAt = new Map(runs.map((run) => [run.run, run.firstAtMs]));
    const delays = posts.flatMap((post) => (firstAt.has(post.run) ? [(firstAt.get(post.run) ?? 0) - post.sentAtMs] : []));
    if (delays.length === posts.length) return delays;
    if (Date.now() > until) throw new Error(`${posts.length - delays.length} runs of the pool never reached the model`);
  }
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await condition()); await delay(250)) if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
}

/** A tenant's pool while the shared one has more runs than slots; the same pool idle, before and after. */
export const pools: Benchmark = {
  name: 'pools',
  about: `from sending POST /v1/runs to the first model request in a dedicated pool, with the shared pool idle and flooded by ${FLOOD.toLocaleString('en')} runs of ${FLOOD_TURN_MS / 1000} s a turn`,
  shape: 'cluster',
  settings: { POOLS: POOL },
  async run(bench) {
    await fetch(`${bench.model.url}/record`, { method: 'DELETE' });
    const target = await tenant(bench);
    await firstRequests(bench, target, WARM_RUNS / WARM_RUNS_PER_SECOND, WARM_RUNS_PER_SECOND);
    await delay(SETTLE_MS);
    const before = await firstRequests(bench, target, SECONDS / 2);
    const flood = await perform(bench, { tools: 0, delayMs: FLOOD_TURN_MS }, FLOOD / FLOOD_PER_SECOND, { kind: 'rate', perSecond: FLOOD_PER_SECOND });
    await delay(SETTLE_MS);
    const [queuedBefore, flooded, queuedAfter] = [await queued(bench), await firstRequests(bench, target, SECONDS), await queued(bench)];
    await until(async () => (await queued(bench)) === 0, 'the end of the flood');
    await delay(SETTLE_MS);
    const idle = spread([...before, ...(await firstRequests(bench, target, SECONDS / 2))]);
    const busy = spread(flooded);
    const name = 'dedicated pool, first model request';
    return [
      figure(bench.shape, `${name} p50, idle`, idle.p50, 'ms'),
      figure(bench.shape, `${name} p99, idle`, idle.p99, 'ms'),
      figure(bench.shape, `${name} p50, flooded`, busy.p50, 'ms'),
      figure(bench.shape, `${name} p99, flooded`, busy.p99, 'ms'),
      figure(bench.shape, `${name} p99, flooded against idle`, busy.p99 / idle.p99, 'times'),
      figure(bench.shape, 'turns queued in the shared pool, at first', queuedBefore, 'turns'),
      figure(bench.shape, 'turns queued in the shared pool, at last', queuedAfter, 'turns'),
      figure(bench.shape, 'not accepted', flood.posts.filter(({ status }) => status !== 202).length, 'posts'),
    ];
  },
};
