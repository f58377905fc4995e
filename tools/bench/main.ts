/** The benchmark suite: `npm run bench -- [--shape standalone|cluster] [--only <name>,…] [--json <file>]`. */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { type Bench, startLoad, steadyBatch, stopLoad } from './bench.ts';
import { benchmarks } from './benchmarks.ts';
import { readCpu, stolenShare } from './cpu.ts';
import { type Figure, table, verdict } from './figures.ts';
import { startHelper } from './process.ts';
import { type Shape, startProduct } from './product.ts';
import { render } from './render.ts';

const limitMs = 8 * 60_000;
const pure = [render];
const all = [...pure, ...benchmarks];
const loadBefore = loadavg()[0] ?? 0;
const quietLoadMax = 0.7;
const STOLEN_MAX = 0.03;
const cpuBefore = readCpu();

type Options = { shape: Shape; only: readonly string[]; json: string };

function usage(): string {
  const names = all.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`);
  return `npm run bench -- [--shape standalone|cluster] [--only <name>,…] [--json <file>]\n\n${names.join('\n')}\n`;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: { shape: { type: 'string', default: 'standalone' }, only: { type: 'string' }, json: { type: 'string', default: 'bench-results.json' }, help: { type: 'boolean' } },
  });
  const { shape, json, help } = values;
  if (help) {
    process.stdout.write(usage());
    process.exit(0);
  }
  if (shape !== 'standalone' && shape !== 'cluster') throw new Error(`--shape is standalone or cluster, not ${shape}`);
  const names = all.map(({ name }) => name);
  const only = values.only?.split(',') ?? names;
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`--only takes ${names.join(', ')}, not ${unknown}`);
  return { shape, only, json };
}

const stopping = new AbortController();
const cleanups: (() => Promise<void>)[] = [];

async function measure({ shape, only }: Options): Promise<Record<string, Figure[]>> {
  const say = (text: string): void => console.error(`bench: ${text}`);
  if (loadBefore > quietLoadMax) say(`this machine is busy with something else (load ${loadBefore.toFixed(1)}), so the figures will be worse than the product`);
  const figures: Record<string, Figure[]> = {};
  for (const benchmark of pure) {
    if (!only.includes(benchmark.name)) continue;
    say(`${benchmark.name}: ${benchmark.about}`);
    figures[benchmark.name] = await benchmark.run(shape);
  }
  const chosen = benchmarks.filter(({ name, shape: where = shape }) => only.includes(name) && where === shape);
  if (chosen.length === 0) return figures;
  const model = await startHelper('fake-model.ts');
  cleanups.push(() => model.stop());
  const endpoint = await startHelper('fake-endpoint.ts', ['--brief']);
  cleanups.push(() => endpoint.stop());
  const load = startLoad();
  cleanups.push(() => stopLoad(load));
  const [ordinary, own] = [chosen.filter(({ settings }) => !settings), chosen.filter(({ settings }) => settings)];
  for (const together of [ordinary, ...own.map((benchmark) => [benchmark])]) {
    if (together.length === 0 || stopping.signal.aborted) continue;
    say(`starting the ${shape} product`);
    const product = await startProduct(shape, `${model.url}/v1`, stopping.signal, together[0]?.settings);
    cleanups.push(() => product.stop());
    const bench: Bench = { shape, product, model, endpoint, load };
    say('warming up');
    await steadyBatch(bench, 3, 64, 4);
    for (const benchmark of together) {
      if (stopping.signal.aborted) break;
      say(`${benchmark.name}: ${benchmark.about}`);
      figures[benchmark.name] = await benchmark.run(bench);
    }
    await product.stop();
  }
  return figures;
}

function report({ shape, json }: Options, figures: Record<string, Figure[]>, seconds: number): void {
  const stolen = stolenShare(cpuBefore, readCpu());
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? '', memoryBytes: totalmem(), node: process.version, loadBefore, stolen };
  const results = Object.entries(figures).flatMap(([benchmark, list]) => list.map((one) => ({ benchmark, ...one, verdict: verdict(one) })));
  console.log(`\n${shape}, ${machine.cpus} × ${machine.model}, everything on this machine, ${seconds.toFixed(0)} s\n`);
  if (stolen > STOLEN_MAX) console.log(`The host gave ${(stolen * 100).toFixed(0)} % of the processors' time to others meanwhile: the figures are worse than the machine.\n`);
  console.log(table(Object.values(figures).flat()));
  writeFileSync(json, `${JSON.stringify({ shape, at: new Date().toISOString(), machine, results }, null, 2)}\n`);
  console.log(`\nwritten to ${json}`);
}

/** In the order opposite to starting, so that nothing is left without what it needs to end. */
async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}

function refuse(error: unknown): never {
  console.error(`bench: ${(error as Error).message}`);
  process.exit(2);
}

let options: Options;
try {
  options = readOptions();
} catch (error) {
  refuse(error);
}
const timer = setTimeout(() => {
  console.error(`bench: it took more than ${limitMs / 60_000} minutes and was ended`);
  process.exitCode = 1;
  stopping.abort();
}, limitMs);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.exitCode = 130;
    stopping.abort();
  });
}
const startedMs = performance.now();
const measuring = measure(options);
try {
  const stopped = new Promise<null>((resolve) => stopping.signal.addEventListener('abort', () => resolve(null)));
  const figures = await Promise.race([measuring, stopped]);
  if (figures) report(options, figures, (performance.now() - startedMs) / 1000);
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  clearTimeout(timer);
  await cleanUp();
  // Interrupted, it may just have started something more.
  await Promise.allSettled([measuring]);
  await cleanUp();
}
process.exit();
