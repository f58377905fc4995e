import { batch, type Bench } from './bench.ts';
import { Arrivals } from './receiver.ts';

const PATIENCE_MS = 10_000;

/** From the ends of runs to the first arrivals of their callbacks, at 50 runs/s, in milliseconds. */
export async function callbackDelays(bench: Bench, seconds: number): Promise<{ delays: number[]; missing: number }> {
  const arrivals = await Arrivals.fresh(bench.endpoint);
  const { runs } = await batch(bench, { tools: 0, callbackUrl: `${bench.endpoint.url}/hook/bench` }, seconds, { kind: 'rate', perSecond: 50 });
  const heard = await arrivals.atLeast(runs.length, PATIENCE_MS);
  const arrivedAt = new Map(heard.toReversed().map(({ runId, atMs }) => [runId, atMs]));
  const delays = runs.flatMap((run) => {
    const at = arrivedAt.get(run.runId ?? '');
    return at === undefined ? [] : [Math.max(0, at - run.endedAtMs)];
  });
  return { delays, missing: runs.length - delays.length };
}
