import { setTimeout as delay } from 'node:timers/promises';
import { backlog } from './backlog.ts';
import { type Batch, type Bench, type Benchmark, batch, perform, steadyBatch } from './bench.ts';
import { callbackDelays } from './callback-delays.ts';
import { chat } from './chat.ts';
import { endedRuns } from './ended-runs.ts';
import { type Figure, figure } from './figures.ts';
import { pools } from './pools.ts';
import type { Shape } from './product.ts';
import { spread } from './stats.ts';
import { observe, readTokenStreams } from './token-streams.ts';
import { webhooks } from './webhooks.ts';

/** One that needs no product. */
export type PureBenchmark = Omit<Benchmark, 'run'> & { run(shape: Shape): Promise<Figure[]> };

/** Held by one gateway. */
const IDLE_OBSERVERS = 2_000;
const SETTLE_MS = 3_000;

const steady = new Map<string, Promise<Batch>>();

/** The batch with so many tools and runs in flight, measured once for all benchmarks that want it. */
function steadyOnce(bench: Bench, tools: number, concurrency: number): Promise<Batch> {
  const key = `${tools} ${concurrency}`;
  const found = steady.get(key) ?? steadyBatch(bench, tools, concurrency, concurrency === 1 ? 4 : 8);
  steady.set(key, found);
  return found;
}

const runs: Benchmark = {
  name: 'runs',
  about: 'end-to-end runs per second, and what a run takes beyond its model and tools, which answer at once',
  async run(bench) {
    const figures: Figure[] = [];
    for (const tools of [0, 3]) {
      for (const concurrency of [1, 32, 64]) {
        const measured = await steadyOnce(bench, tools, concurrency);
        const what = `${tools} tools, ${concurrency} in flight`;
        const overhead = spread(measured.runs.map((run) => run.endedAtMs - run.sentAtMs));
        figures.push(
          figure(bench.shape, `runs, ${what}`, measured.runsPerSecond, 'runs/s'),
          figure(bench.shape, `overhead, ${what}, p50`, overhead.p50, 'ms'),
          figure(bench.shape, `overhead, ${what}, p99`, overhead.p99, 'ms'),
        );
        if (concurrency > 1) figures.push(figure(bench.shape, `in flight on average, ${what}`, measured.meanInFlight, 'runs'));
        if (measured.failures > 0) figures.push(figure(bench.shape, `FAILED, ${what}`, measured.failures, 'runs'));
      }
    }
    return figures;
  },
};

const firstRequest: Benchmark = {
  name: 'first-request',
  about: 'from sending POST /v1/runs to the first model request, at 50 runs/s',
  async run(bench) {
    await fetch(`${bench.model.url}/record`, { method: 'DELETE' });
    const { report } = await batch(bench, { tools: 0 }, 8, { kind: 'rate', perSecond: 50 });
    const { runs: seen } = (await (await fetch(`${bench.model.url}/record`)).json()) as { runs: { run: string; firstAtMs: number }[] };
    const firstAt = new Map(seen.map((run) => [run.run, run.firstAtMs]));
    const delays = report.posts.flatMap((post) => {
      const at = firstAt.get(post.run);
      return at === undefined ? [] : [at - post.sentAtMs];
    });
    const { p50, p99 } = spread(delays);
    return [figure(bench.shape, 'first model request p50', p50, 'ms'), figure(bench.shape, 'first model request p99', p99, 'ms')];
  },
};

const webhook: Benchmark = {
  name: 'webhook',
  about: 'from the end of a run to the arrival of its webhook, at 50 runs/s',
  async run(bench) {
    const { delays, missing } = await callbackDelays(bench, 8);
    const { p50, p99 } = spread(delays);
    return [
      figure(bench.shape, 'webhook p50', p50, 'ms'),
      figure(bench.shape, 'webhook p99', p99, 'ms'),
      figure(bench.shape, 'webhooks missing', missing, 'of ' + (delays.length + missing)),
    ];
  },
};

const cpu: Benchmark = {
  name: 'cpu',
  about: 'CPU time per run with 64 in flight, in our processes and in the stores and brokers',
  async run(bench) {
    const figures: Figure[] = [];
    for (const tools of [0, 3]) {
      const { cpuPerRun } = await steadyOnce(bench, tools, 64);
      figures.push(
        figure(bench.shape, `CPU per run, ${tools} tools, product`, cpuPerRun.productMs, 'ms'),
        figure(bench.shape, `CPU per run, ${tools} tools, infrastructure`, cpuPerRun.infrastructureMs, 'ms'),
      );
    }
    return figures;
  },
};

const accept: Benchmark = {
  name: 'accept',
  about: 'POST /v1/runs while the accepted runs are being worked on: at a fixed rate of 1,000/s, and as fast as it goes with 64 clients',
  async run(bench) {
    await batch(bench, { tools: 0 }, 2, { kind: 'rate', perSecond: 500 });
    const fixed = await perform(bench, { tools: 0 }, 8, { kind: 'rate', perSecond: 1_000 });
    const taken = fixed.posts.filter((post) => post.status === 202);
    const latency = spread(taken.map((post) => post.acceptedAtMs - post.sentAtMs));
    await endedRuns(bench.product.target, fixed.posts, 30_000);
    const fast = await perform(bench, { tools: 0 }, 8, { kind: 'posts', concurrency: 64 });
    const accepted = fast.posts.filter((post) => post.status === 202 && post.acceptedAtMs <= fast.endedAtMs);
    await endedRuns(bench.product.target, fast.posts, 30_000);
    const refused = fixed.posts.length - taken.length + fast.posts.filter((post) => post.status !== 202).length;
    return [
      figure(bench.shape, 'accept p50 at 1,000/s', latency.p50, 'ms'),
      figure(bench.shape, 'accept p99 at 1,000/s', latency.p99, 'ms'),
      figure(bench.shape, 'accept maximum', (accepted.length * 1000) / (fast.endedAtMs - fast.startedAtMs), 'runs/s'),
      ...(refused > 0 ? [figure(bench.shape, 'not accepted', refused, 'posts')] : []),
    ];
  },
};

const streams: Benchmark = {
  name: 'streams',
  about: 'from a token’s being sent by the model to its arrival at the client, 50 tokens a second each, and the memory of observers that see nothing',
  async run({ shape, product }) {
    const figures: Figure[] = [];
    await readTokenStreams(product.target, 10, 50);
    for (const count of [1, 50, 200]) {
      const { delays, broken } = await readTokenStreams(product.target, count, count === 1 ? 400 : 250);
      const { p50, p99 } = spread(delays);
      const what = `token to client, ${count} stream${count > 1 ? 's' : ''}`;
      figures.push(figure(shape, `${what}, p50`, p50, 'ms'), figure(shape, `${what}, p99`, p99, 'ms'));
      if (broken > 0) figures.push(figure(shape, `BROKEN, ${what}`, broken, 'streams'));
    }
    const before = product.memory();
    const leave = await observe(product.target, IDLE_OBSERVERS);
    await delay(SETTLE_MS);
    figures.push(figure(shape, 'memory per idle observer', (product.memory() - before) / IDLE_OBSERVERS / 1024, 'KB'));
    await leave();
    return figures;
  },
};

const start: Benchmark = {
  name: 'start',
  about: 'from starting it again with its data until it is ready',
  async run(bench) {
    return [figure(bench.shape, 'second start', await bench.product.restart(), 'ms')];
  },
};

/** In the order they are run: accepting leaves a backlog behind, and a start ends what was warm. */
export const benchmarks: readonly Benchmark[] = [runs, cpu, firstRequest, webhook, webhooks, backlog, chat, streams, accept, start, pools];
