import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type CpuTimes, cpuPer } from './cpu.ts';
import { type EndedRun, endedRuns } from './ended-runs.ts';
import type { Figure } from './figures.ts';
import type { Job, JobReport, Pace } from './load-job.ts';
import { type Helper, stopProcess } from './process.ts';
import type { Product, Shape } from './product.ts';
import { meanOpen } from './stats.ts';

/** Everything a benchmark works with. */
export type Bench = {
  readonly shape: Shape;
  readonly product: Product;
  readonly model: Helper;
  readonly endpoint: Helper;
  readonly load: ChildProcess;
};

export type Benchmark = {
  readonly name: string;
  readonly about: string;
  /** Where it has a meaning; everywhere by default. */
  readonly shape?: Shape;
  /** What the product's environment needs besides: it then has a product of its own. */
  readonly settings?: Readonly<Record<string, string>>;
  run(bench: Bench): Promise<Figure[]>;
};

export type RunShape = { readonly tools: number; readonly callbackUrl?: string; /** Of each turn of its model, in milliseconds. */ readonly delayMs?: number };

export type Batch = {
  readonly report: JobReport;
  readonly runs: readonly EndedRun[];
  /** Runs that ended while runs were being posted, by the second. */
  readonly runsPerSecond: number;
  readonly meanInFlight: number;
  readonly cpuPerRun: CpuTimes;
  /** Posts without a 202, and runs that did not succeed. */
  readonly failures: number;
};

const settleMs = 300;
const endPatienceMs = 60_000;
let batches = 0;

export function startLoad(): ChildProcess {
  return fork(new URL('load.ts', import.meta.url).pathname, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

export async function stopLoad(load: ChildProcess): Promise<void> {
  await stopProcess(load, 2_000);
}

/** Body of POST /v1/runs whose run makes so many tool calls one after the other and then answers. */
function bodyOf(bench: Bench, { tools, callbackUrl, delayMs = 0 }: RunShape): string {
  const parameters = { type: 'object', properties: { step: { type: 'integer' } }, required: ['step'] };
  const tool = { type: 'function', name: 'step', description: 'One step of the work.', url: `${bench.endpoint.url}/tool/echo`, method: 'POST', parameters };
  return JSON.stringify({
    engine: 'tim-gpt',
    input: { instructions: `Work on this until it is done. [[run:{run} tools:${tools} delay:${delayMs} answer:done]]`, ...(tools > 0 && { tools: [tool] }) },
    ...(callbackUrl && { output: { callbackUrl } }),
  });
}

/** Has the load generator do one job. Throws what the generator failed with. */
export async function perform(bench: Bench, run: RunShape, seconds: number, pace: Pace): Promise<JobReport> {
  batches += 1;
  const job: Job = { target: bench.product.target, body: bodyOf(bench, run), prefix: `b${batches}-`, seconds, pace };
  const done = new AbortController();
  bench.load.send(job);
  const [answer] = (await Promise.race([
    once(bench.load, 'message', { signal: done.signal }),
    once(bench.load, 'exit', { signal: done.signal }).then(() => [{ error: 'the load generator ended' }]),
  ]).finally(() => done.abort())) as [{ report?: JobReport; error?: string }];
  if (!answer.report) throw new Error(answer.error ?? 'the load generator said nothing');
  return answer.report;
}

/** One job and what became of its runs. */
export async function batch(bench: Bench, run: RunShape, seconds: number, pace: Pace): Promise<Batch> {
  const before = bench.product.cpu();
  const report = await perform(bench, run, seconds, pace);
  await delay(settleMs);
  const after = bench.product.cpu();
  const runs = await endedRuns(bench.product.target, report.posts, endPatienceMs);
  const { startedAtMs: from, endedAtMs: to } = report;
  const within = runs.filter((one) => one.endedAtMs > from && one.endedAtMs <= to).length;
  const succeeded = runs.filter((one) => one.outcome === 'succeeded').length;
  return {
    report,
    runs,
    runsPerSecond: (within * 1000) / (to - from),
    meanInFlight: meanOpen(runs.map((one) => ({ from: one.sentAtMs, to: one.endedAtMs })), from, to),
    cpuPerRun: cpuPer(before, after, report.posts.length),
    failures: report.posts.length - succeeded,
  };
}

/** A batch with so many runs in flight. The end of a run comes after its model's answer, which is what the generator hears; so a first batch tells how many slots it has to fill. */
export async function steadyBatch(bench: Bench, tools: number, concurrency: number, seconds: number): Promise<Batch> {
  const pace = (slots: number): Pace => ({ kind: 'runs', concurrency: slots, answersUrl: `${bench.model.url}/answers`, isExact: concurrency === 1 });
  const warm = await batch(bench, { tools }, concurrency === 1 ? 1 : 2.5, pace(concurrency));
  const slots = concurrency === 1 ? 1 : Math.max(1, Math.round((concurrency * concurrency) / Math.max(warm.meanInFlight, concurrency)));
  return batch(bench, { tools }, seconds, pace(slots));
}
