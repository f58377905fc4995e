import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PureBenchmark } from './benchmarks.ts';
import { figure } from './figures.ts';

type Rendering = { readonly what: string; readonly bestMs: number; readonly medianMs: number };

const program = new URL('../../apps/engine-orchestrator/test/render.ts', import.meta.url).pathname;

/** In a process of its own, so that what else was measured leaves neither garbage nor compiled code behind for it. */
export const render: PureBenchmark = {
  name: 'render',
  about: 'the prompt of a run of 500 tasks, from its journal; the engine alone, without a product',
  async run(shape) {
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    return (JSON.parse(stdout) as Rendering[]).flatMap(({ what, bestMs, medianMs }) => [
      figure(shape, `rendering 500 tasks, ${what}, median`, medianMs, 'ms'),
      figure(shape, `rendering 500 tasks, ${what}, best`, bestMs, 'ms'),
    ]);
  },
};
