import { setTimeout as delay } from 'node:timers/promises';
import { wallMs } from '@nightshift/testing';
import { batch, type Bench, type Benchmark, perform } from './bench.ts';
import { type Figure, figure } from './figures.ts';
import type { JobReport } from './load-job.ts';
import { type Arrival, Arrivals } from './receiver.ts';
import { quantile, spread } from './stats.ts';
import { Subscriptions } from './subscriptions.ts';

const FANOUT = 20;
const RUNS_PER_SECOND = 100;
const SECONDS = 8;
/** Of the first second nothing is counted: deliveries begin with the first end of a run. */
const LEAD_MS = 1000;
const PATIENCE_MS = 45_000;

const ROUNDS = 5;
const ROUND_SECONDS = 8;
const HEALTHY = 10;
const ROUND_RUNS_PER_SECOND = 50;
const SETTLE_MS = 300;
/** A p99 may grow by as much in any case, and by this part of itself. */
const GROWTH_MS = 5;
const GROWTH_PART = 0.1;

const pathOf = (index: number): string => `/hook/${index}`;

/** More deliveries than can be made, while their runs are made: how many arrive. */
async function sustained({ shape, ...bench }: Bench, arrivals: Arrivals): Promise<{ figures: Figure[]; report: JobReport; count: number }> {
  const report = await perform({ shape, ...bench }, { tools: 0 }, SECONDS, { kind: 'rate', perSecond: RUNS_PER_SECOND });
  const count = report.posts.filter(({ runId }) => runId !== null).length * FANOUT;
  const all = await arrivals.atLeast(count, PATIENCE_MS);
  const from = report.startedAtMs + LEAD_MS;
  const within = new Set(all.filter(({ atMs }) => atMs >= from && atMs < report.endedAtMs).map(({ deliveryId }) => deliveryId)).size;
  const missing = count - new Set(all.map(({ deliveryId }) => deliveryId)).size;
  const figures = [figure(shape, 'deliveries sustained', (within * 1000) / (report.endedAtMs - from), '/s')];
  return { figures: missing === 0 ? figures : [...figures, figure(shape, 'deliveries MISSING', missing, `of ${count}`)], report, count };
}

/** All of them again at once: how fast they go out. */
async function backlog({ shape, product }: Bench, arrivals: Arrivals, from: number, wanted: number): Promise<Figure[]> {
  const before = (await arrivals.read()).length;
  const startedMs = wallMs();
  const count = await new Subscriptions(product.target).redeliver(new Date(from));
  const again = (await arrivals.atLeast(before + count, PATIENCE_MS)).slice(before);
  const seconds = ((again.at(-1)?.atMs ?? startedMs) - startedMs) / 1000;
  const figures = [figure(shape, 'deliveries from a backlog', again.length / seconds, '/s'), figure(shape, 'backlog', count, 'deliveries')];
  return again.length === wanted ? figures : [...figures, figure(shape, 'deliveries MISSING, backlog', wanted - again.length, `of ${wanted}`)];
}

type Round = { readonly perSecond: number; readonly p99: number };

/** How the healthy endpoints fare over some seconds. */
async function round(bench: Bench): Promise<Round> {
  const arrivals = await Arrivals.fresh(bench.endpoint);
  const { runs, report } = await batch(bench, { tools: 0 }, ROUND_SECONDS, { kind: 'rate', perSecond: ROUND_RUNS_PER_SECOND });
  const endedAt = new Map(runs.map(({ runId, endedAtMs }) => [runId, endedAtMs]));
  const isHealthy = ({ path, runId }: Arrival): boolean => path.startsWith('/hook/') && endedAt.has(runId);
  const seen = new Map<string, Arrival>();
  for (const arrival of (await arrivals.atLeast(runs.length * HEALTHY, PATIENCE_MS)).filter(isHealthy)) if (!seen.has(arrival.deliveryId)) seen.set(arrival.deliveryId, arrival);
  const all = [...seen.values()];
  const to = report.endedAtMs + SETTLE_MS;
  const delays = all.map(({ runId, atMs }) => Math.max(0, atMs - (endedAt.get(runId) ?? atMs)));
  return { perSecond: (all.filter(({ atMs }) => atMs < to).length * 1000) / (to - report.startedAtMs), p99: spread(delays).p99 };
}

/** Healthy endpoints alone, and beside one that hangs and one that fails, by turns. */
async function isolation(bench: Bench): Promise<Figure[]> {
  const { shape, product, endpoint } = bench;
  const subscriptions = new Subscriptions(product.target);
  await subscriptions.make(Array.from({ length: HEALTHY }, (_, index) => endpoint.url + pathOf(index)));
  const sick = await subscriptions.make([`${endpoint.url}/sick/hangs?hang=1000000`, `${endpoint.url}/sick/fails?status=500`]);
  const alone: Round[] = [];
  const beside: Round[] = [];
  for (let turn = 0; turn < 2 * ROUNDS; turn += 1) {
    // One after the other, each first as often as the other, so that what drifts hits both alike.
    const isSick = turn % 4 === 1 || turn % 4 === 2;
    await subscriptions.enable(sick, isSick);
    (isSick ? beside : alone).push(await round(bench));
  }
  await subscriptions.removeAll();
  const median = (values: readonly number[]): number => quantile(values, 0.5);
  const p99 = median(alone.map((one) => one.p99));
  const allowed = Math.max(GROWTH_MS, GROWTH_PART * p99);
  const growth = median(beside.map((one, index) => one.p99 - (alone[index]?.p99 ?? Number.NaN)));
  const rate = median(beside.map((one, index) => (100 * one.perSecond) / (alone[index]?.perSecond ?? Number.NaN)));
  return [
    figure(shape, 'healthy endpoints alone, p99', p99, 'ms'),
    figure(shape, 'healthy endpoints beside sick ones, p99', median(beside.map((one) => one.p99)), 'ms'),
    { ...figure(shape, 'healthy endpoints beside sick ones, p99 grows by', growth, 'ms'), bound: { floor: Math.round(allowed * 10) / 10, aim: GROWTH_MS, atLeast: false } },
    figure(shape, 'healthy endpoints beside sick ones keep of their rate', rate, '%'),
  ];
}

async function measure(bench: Bench): Promise<Figure[]> {
  const subscriptions = new Subscriptions(bench.product.target);
  await subscriptions.make(Array.from({ length: FANOUT }, (_, index) => bench.endpoint.url + pathOf(index)));
  const arrivals = await Arrivals.fresh(bench.endpoint);
  const made = await sustained(bench, arrivals);
  const again = await backlog(bench, arrivals, made.report.startedAtMs, made.count);
  await subscriptions.removeAll();
  await delay(SETTLE_MS);
  return [...made.figures, ...again, ...(await isolation(bench))];
}

export const webhooks: Benchmark = {
  name: 'webhooks',
  about: `deliveries per second to ${FANOUT} signed subscriptions, while their runs are made and from a backlog; and healthy endpoints beside one that hangs and one that fails`,
  run: measure,
};
