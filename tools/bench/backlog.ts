import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Bench, Benchmark } from './bench.ts';
import { callbackDelays } from './callback-delays.ts';
import { type Figure, figure } from './figures.ts';
import { spread } from './stats.ts';

const MANY = 100_000;
const SECONDS = 8;
const SETTLE_MS = 3000;

/** Deliveries of an organisation of their own to an endpoint that refuses connections, as if its runs had ended long before. */
const DEAD = `insert into webhooks.deliveries (id, org_id, run_id, target, event, endpoint, url, egress_allow, body, traceparent, lane, due_at)
  select 'whd_' || lpad(to_hex(n), 32, '0'), 'org_dead', 'run_dead_' || n, 'callback', 'job.succeeded', 'http://127.0.0.1:9/', 'http://127.0.0.1:9/', '[]', convert_to(repeat('x', 1000), 'UTF8'),
    '00-11111111111111111111111111111111-2222222222222222-01', 'org_dead http://127.0.0.1:9/', now() from generate_series(1, $1::int) n`;

/** How many claims of deliveries took at most so many seconds, by that bound; Infinity is all of them. */
async function claims({ product }: Bench): Promise<Map<number, number>> {
  const text = await (await fetch(`${product.target.url}/metrics`)).text();
  const lines = text.matchAll(/^nightshift_claim_duration_seconds_bucket\{([^}]*)\} (\d+)$/gm);
  return new Map([...lines].filter(([, labels]) => labels?.includes('work="delivery"')).map(([, labels, count]) => [Number(/le="([^"]+)"/.exec(labels ?? '')?.[1]?.replace('+Inf', 'Infinity')), Number(count)]));
}

/** The bound in milliseconds that 99 % of what came between two readings kept; NaN if nothing came. */
function p99Between(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number {
  const grown = [...after].map(([bound, count]) => ({ bound, count: count - (before.get(bound) ?? 0) })).sort((a, b) => a.bound - b.bound);
  const all = grown.at(-1)?.count ?? 0;
  return 1000 * (grown.find(({ count }) => all > 0 && count >= 0.99 * all)?.bound ?? Number.NaN);
}

async function measure(bench: Bench): Promise<Figure[]> {
  const { shape, product } = bench;
  const database = new pg.Client(product.databaseUrl());
  await database.connect();
  try {
    const alone = spread((await callbackDelays(bench, SECONDS)).delays);
    const memory = product.memory();
    await database.query(DEAD, [MANY]);
    await delay(SETTLE_MS);
    const before = shape === 'standalone' ? await claims(bench) : new Map<number, number>();
    const { delays, missing } = await callbackDelays(bench, SECONDS);
    const after = shape === 'standalone' ? await claims(bench) : before;
    const { p50, p99 } = spread(delays);
    const what = 'beside 100,000 of a dead endpoint';
    return [
      ...(shape === 'standalone' ? [figure(shape, `claim ${what}, p99 at most`, p99Between(before, after), 'ms')] : []),
      figure(shape, 'webhook p99 before', alone.p99, 'ms'),
      figure(shape, `webhook p50 ${what}`, p50, 'ms'),
      figure(shape, `webhook p99 ${what}`, p99, 'ms'),
      figure(shape, `webhooks missing ${what}`, missing, `of ${delays.length + missing}`),
      figure(shape, `memory grows ${what} by`, (product.memory() - memory) / 1024 / 1024, 'MB'),
    ];
  } finally {
    await database.query("delete from webhooks.deliveries where org_id = 'org_dead'");
    await database.end();
  }
}

export const backlog: Benchmark = {
  name: 'backlog',
  about: 'claims and other organisations’ webhooks while 100,000 deliveries wait for an endpoint that is dead',
  run: measure,
};
