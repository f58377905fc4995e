import { describe, expect, test } from '@jest/globals';
import { shapes } from './product.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

describe.each(shapes)('a webhook from %s', (shape) => {
  const on = stage(shape);

  const told = (path: string) => ({ output: { callbackUrl: `${on.endpoint.url}${path}` } });
  const arrivals = (path: string, runId: string) => on.endpoint.requests({ prefix: path }).filter(({ body }) => body.includes(runId));

  test('is sent again, with the same id and bytes, until it is heard', async () => {
    const runId = await on.start({}, told('/deaf?fail=2&status=503'));
    await until(() => arrivals('/deaf', runId).length === 3, { timeoutMs: 45_000, what: () => 'three arrivals' });
    expect(new Set(arrivals('/deaf', runId).map(({ deliveryId, body }) => `${deliveryId} ${body}`)).size).toBe(1);
    expect(arrivals('/deaf', runId).map(({ status }) => status)).toEqual([503, 503, 200]);
  });

  test('is not held up by another endpoint that never answers', async () => {
    await Promise.all(Array.from({ length: 40 }, () => on.start({}, told('/silent?hang=1'))));
    await until(() => on.endpoint.requests({ prefix: '/silent' }).length > 10, { timeoutMs: 45_000, what: () => 'deliveries that hang' });
    const quick = await on.completed({}, told('/quick'));
    const endedAt = Date.now();
    await on.arrival('/quick', quick.runId);
    expect(Date.now() - endedAt).toBeLessThan(3000);
  });

  test('follows no redirect, which counts as a refusal', async () => {
    const runId = await on.start({}, told('/tool/redirect/hook?to=/elsewhere'));
    await until(() => arrivals('/tool/redirect/hook', runId).length >= 2, { timeoutMs: 45_000, what: () => 'a second attempt' });
    expect(arrivals('/elsewhere', runId)).toEqual([]);
  });
});
