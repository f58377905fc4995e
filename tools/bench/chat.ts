import { api, type Api } from './api.ts';
import type { Bench, Benchmark } from './bench.ts';
import { cpuPer } from './cpu.ts';
import { type Figure, figure } from './figures.ts';
import { spread } from './stats.ts';

const PAIRS = 1500;
const WARM_UP = 300;
const IN_FLIGHT = 32;
const SECONDS = 6;

/** A plain call whose model answers at once; one of the model itself is told apart in its records by its name. */
function bodyOf(run: string, stream: boolean): string {
  return JSON.stringify({ model: 'fake', stream, messages: [{ role: 'system', content: 'You are brief.' }, { role: 'user', content: `Say hello. [[run:${run} answer:hello]]` }] });
}

async function timed(client: Api, path: string, body: string): Promise<number> {
  const startedMs = performance.now();
  const { status, text } = await client.send('POST', path, body);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text.slice(0, 300)}`);
  return performance.now() - startedMs;
}

/** One call after the other, by turns to the model's server itself and through the product: so what else the machine does hits both alike. */
async function interleaved(direct: Api, through: Api, stream: boolean): Promise<{ direct: number[]; through: number[] }> {
  const times = { direct: [] as number[], through: [] as number[] };
  const body = bodyOf('chat', stream);
  for (let pair = -WARM_UP; pair < PAIRS; pair += 1) {
    const directMs = await timed(direct, '/v1/chat/completions', body);
    const throughMs = await timed(through, '/v1/chat/completions', body);
    if (pair < 0) continue;
    times.direct.push(directMs);
    times.through.push(throughMs);
  }
  return times;
}

async function perSecond(client: Api): Promise<{ rate: number; latencies: number[] }> {
  const body = bodyOf('chat', false);
  const latencies: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + SECONDS * 1000;
  const slot = async (): Promise<void> => {
    while (performance.now() < endMs) latencies.push(await timed(client, '/v1/chat/completions', body));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, slot));
  return { rate: (latencies.length * 1000) / (performance.now() - startedMs), latencies };
}

async function measure({ shape, product, model }: Bench): Promise<Figure[]> {
  const direct = api({ url: model.url, apiKey: 'none' }, IN_FLIGHT);
  const through = api(product.target, IN_FLIGHT);
  try {
    const figures: Figure[] = [];
    for (const stream of [false, true]) {
      const what = stream ? 'streamed chat' : 'chat';
      const times = await interleaved(direct, through, stream);
      const [there, here] = [spread(times.direct), spread(times.through)];
      figures.push(
        figure(shape, `${what} overhead, median`, here.p50 - there.p50, 'ms'),
        figure(shape, `${what} directly, p50`, there.p50, 'ms'),
        figure(shape, `${what} p50`, here.p50, 'ms'),
        figure(shape, `${what} p99`, here.p99, 'ms'),
      );
    }
    const what = `chat, ${IN_FLIGHT} in flight`;
    const before = product.cpu();
    const { rate, latencies } = await perSecond(through);
    const used = cpuPer(before, product.cpu(), latencies.length);
    const { p50, p99 } = spread(latencies);
    figures.push(
      figure(shape, what, rate, 'calls/s'),
      figure(shape, `${what}, p50`, p50, 'ms'),
      figure(shape, `${what}, p99`, p99, 'ms'),
      figure(shape, 'CPU per chat call, product', used.productMs, 'ms'),
      figure(shape, 'CPU per chat call, infrastructure', used.infrastructureMs, 'ms'),
    );
    return figures;
  } finally {
    await direct.close();
    await through.close();
  }
}

export const chat: Benchmark = {
  name: 'chat',
  about: 'plain chat completions: what one takes beyond its model, asked directly by turns, and how many there are a second',
  run: measure,
};
