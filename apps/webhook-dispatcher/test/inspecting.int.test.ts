import { describe, expect, test } from '@jest/globals';
import type { Delivery, DeliveryDetail, DeliveryList, EndpointList } from '@nightshift/contracts';
import { waitFor } from '@nightshift/testing';
import { type Dispatcher, finishedRun } from './dispatcher.ts';
import { patch, PATH, soon, SubscriptionStage } from './subscription-stage.ts';

const stage = new SubscriptionStage();
const ROOT = '/internal/webhooks';
const TRACE_ID = '11111111111111111111111111111111';

const list = async (dispatcher: Dispatcher, query: Record<string, string> = {}) => (await dispatcher.call<DeliveryList>('GET', `${ROOT}/deliveries?${new URLSearchParams({ orgId: 'org_1', ...query })}`)).body;
const detail = async (dispatcher: Dispatcher, id: string) => (await dispatcher.call<DeliveryDetail>('GET', `${ROOT}/deliveries/${id}?orgId=org_1`)).body;
const redeliver = (dispatcher: Dispatcher, id: string, more: object = {}) => dispatcher.call<{ delivery: Delivery; replayed: boolean }>('POST', `${ROOT}/deliveries/${id}/redeliver`, { orgId: 'org_1', ...more });
const redeliverMany = (dispatcher: Dispatcher, filter: object, more: object = {}) => dispatcher.call<{ count: number; replayed: boolean }>('POST', `${ROOT}/redeliver`, { orgId: 'org_1', filter, ...more });
const run = (path: string, more: object = {}) => finishedRun(stage.hook(path), { completedAt: soon(), ...more });

/** Waits until every delivery has ended, or waits for a retry. */
const quiet = (count: number) => waitFor(async () => {
  const rows = await stage.deliveries();
  return rows.length === count && rows.every(({ held, status, attemptCount }) => !held && (status !== 'pending' || attemptCount > 0));
}, { timeoutMs: 20_000 });

describe('a delivery', () => {
  test('is shown with each attempt, what was sent and what came back', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0.05' });
    const { id: subscriptionId } = await stage.subscribe(dispatcher, '/hook?token=t&fail=1&status=503&retryAfter=0', { secret: 'a secret of its own', headers: { 'x-key': 'canary' } });
    const ended = run('/callback');
    await dispatcher.publish(ended);
    await stage.all('delivered', 2);
    const [found] = (await list(dispatcher, { subscriptionId })).deliveries;
    expect(found).toEqual({
      id: expect.stringMatching(/^whd_[0-9a-f]{32}$/), subscriptionId, runId: ended.runId, event: 'job.succeeded', endpoint: stage.hook('/hook'), status: 'delivered', attemptCount: 2,
      createdAt: expect.any(String), nextAttemptAt: null, deliveredAt: expect.any(String), lastError: null, traceId: TRACE_ID,
    });
    const shown = await detail(dispatcher, found?.id ?? '');
    expect(shown).toEqual({ ...found, payload: JSON.parse(stage.arrivals('/hook')[0]?.body ?? ''), attempts: [
      { number: 1, startedAt: expect.any(String), durationMs: expect.any(Number), status: 503, errorCode: 'http_status', requestHeaders: expect.objectContaining({ 'x-webhook-delivery-id': found?.id, 'x-key': '[hidden]', 'webhook-signature': expect.stringMatching(/^v1,/) }), responseHeaders: expect.objectContaining({ 'retry-after': '0' }), responseBody: '{"error":"as the path says"}', traceId: TRACE_ID },
      expect.objectContaining({ number: 2, status: 200, errorCode: null }),
    ] });
    expect(JSON.stringify(shown)).not.toContain('canary');
  });

  test('that waits says when it is tried next and why; of a disabled subscription it does not', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '3600' });
    const { id } = await stage.subscribe(dispatcher, '/hook?status=500');
    await dispatcher.publish(run('/callback'));
    await quiet(2);
    const one = async () => (await list(dispatcher, { subscriptionId: id })).deliveries[0];
    expect(await one()).toMatchObject({ status: 'pending', lastError: { code: 'http_status', message: expect.stringContaining('500') }, deliveredAt: null });
    expect(new Date((await one())?.nextAttemptAt ?? 0).getTime()).toBeGreaterThan(Date.now() + 2_000_000);
    await patch(dispatcher, id, { enabled: false });
    expect((await one())?.nextAttemptAt).toBeNull();
  });

  test('of a lane that is paused is tried no earlier than the pause is over', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0' });
    const { id } = await stage.subscribe(dispatcher, '/hook?fail=1&status=429&retryAfter=200');
    await dispatcher.publish(run('/callback'));
    await quiet(2);
    await stage.sql('update webhooks.deliveries set due_at = now() where due_at is not null');
    expect(new Date((await list(dispatcher, { subscriptionId: id })).deliveries[0]?.nextAttemptAt ?? 0).getTime()).toBeGreaterThan(Date.now() + 100_000);
  });

  test('is there for its own organisation alone', async () => {
    const dispatcher = await stage.start();
    await dispatcher.publish(run('/callback'));
    const [{ id } = { id: '' }] = await stage.all('delivered', 1);
    expect((await dispatcher.call('GET', `${ROOT}/deliveries/${id}?orgId=org_2`)).status).toBe(404);
    expect((await redeliver(dispatcher, id, { orgId: 'org_2' })).status).toBe(404);
    expect((await list(dispatcher, { orgId: 'org_2' })).deliveries).toEqual([]);
    expect((await redeliverMany(dispatcher, {}, { orgId: 'org_2' })).body).toMatchObject({ count: 0 });
    expect(stage.arrivals('/callback')).toHaveLength(1);
  });
});

describe('the list of deliveries', () => {
  test('has each once, newest first, page by page, while others are made', async () => {
    const dispatcher = await stage.start();
    for (let round = 1; round <= 3; round += 1) {
      await dispatcher.publish(...Array.from({ length: 3 }, () => run('/callback')));
      await stage.all('delivered', round * 3);
    }
    const ids = (await stage.deliveries()).map(({ id }) => id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: DeliveryList = await list(dispatcher, { limit: '4', ...(cursor !== null && { cursor }) });
      seen.push(...page.deliveries.map(({ id }) => id));
      cursor = page.nextCursor;
      await dispatcher.publish(run('/later'));
    } while (cursor !== null);
    expect(seen).toEqual(ids.toReversed());
    expect(await dispatcher.call('GET', `${ROOT}/deliveries?orgId=org_1&cursor=bm9uZQ`)).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } });
  });

  test('is filtered by status, run, subscription, error and time, and by all of them', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '' });
    const { id: subscriptionId } = await stage.subscribe(dispatcher, '/hook?status=500', { eventTypes: ['job.failed'] });
    const [good, bad, cut] = [run('/good'), run('/bad', { status: 'failed' }), run('/cut?cut=9')];
    await dispatcher.publish(good, bad, cut);
    await quiet(4);
    const targets = async (query: Record<string, string>) => (await list(dispatcher, query)).deliveries.map(({ endpoint }) => new URL(endpoint).pathname).sort();
    expect(await targets({ status: 'delivered' })).toEqual(['/bad', '/good']);
    expect(await targets({ status: 'dead' })).toEqual(['/cut', '/hook']);
    expect(await targets({ runId: bad.runId })).toEqual(['/bad', '/hook']);
    expect(await targets({ subscriptionId })).toEqual(['/hook']);
    expect(await targets({ errorCode: 'connection_reset' })).toEqual(['/cut']);
    await stage.sql(`update webhooks.deliveries set created_at = '2026-01-01T12:00:00Z' where url like '%/good'`);
    expect(await targets({ from: '2026-01-01T12:00:00Z', to: '2026-01-01T13:00:01+01:00' })).toEqual(['/good']);
    expect(await targets({ to: '2026-01-01T12:00:00Z' })).toEqual([]);
    expect(await targets({ status: 'dead', runId: bad.runId, subscriptionId, errorCode: 'http_status', from: '2026-01-02T00:00:00Z', to: '2999-01-01T00:00:00Z' })).toEqual(['/hook']);
    expect(await targets({ status: 'delivered', runId: cut.runId })).toEqual([]);
  });
});

describe('a delivery that is sent again', () => {
  test('goes out under the same id with the same bytes; its schedule begins anew, its attempts are numbered on', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0.05' });
    await dispatcher.publish(run('/hook?fail=3'));
    const [{ id } = { id: '' }] = await stage.all('dead', 1);
    expect(await redeliver(dispatcher, id)).toMatchObject({ status: 200, body: { replayed: false, delivery: { id, status: 'pending', attemptCount: 2, deliveredAt: null } } });
    await stage.all('delivered', 1);
    expect(new Set(stage.arrivals('/hook').map(({ deliveryId, body }) => `${deliveryId} ${body}`)).size).toBe(1);
    expect((await detail(dispatcher, id)).attempts.map(({ number, status }) => [number, status])).toEqual([[1, 500], [2, 500], [3, 500], [4, 200]]);
    await redeliver(dispatcher, id);
    await waitFor(() => stage.arrivals('/hook').length === 5);
    await stage.all('delivered', 1);
  });

  test('while it waits is due now; while it is being sent it is not sent twice', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '3600' });
    await dispatcher.publish(run('/hook?fail=1'), run('/slow?ms=1500'));
    await waitFor(() => stage.arrivals('/slow').length === 1);
    await waitFor(async () => (await stage.deliveries()).some(({ attemptCount, held }) => attemptCount === 1 && !held));
    for (const { id } of await stage.deliveries()) expect((await redeliver(dispatcher, id)).body.delivery.status).toBe('pending');
    await stage.all('delivered', 2);
    expect([stage.arrivals('/hook').length, stage.arrivals('/slow').length]).toEqual([2, 1]);
  });

  test('is sent again once per idempotency key', async () => {
    const dispatcher = await stage.start();
    await dispatcher.publish(run('/hook'));
    const [{ id } = { id: '' }] = await stage.all('delivered', 1);
    const keyed = (bodyHash = 'a') => redeliver(dispatcher, id, { idempotency: { key: 'k', bodyHash } });
    const replies = await Promise.all([keyed(), keyed(), keyed()]);
    expect(replies.map(({ body }) => body.replayed).sort()).toEqual([false, true, true]);
    expect(new Set(replies.map(({ body }) => JSON.stringify(body.delivery))).size).toBe(1);
    expect((await keyed('b')).status).toBe(409);
    await waitFor(() => stage.arrivals('/hook').length === 2);
    await stage.all('delivered', 1);
    expect((await keyed()).body.replayed).toBe(true);
    await dispatcher.publish(run('/marker'));
    await stage.all('delivered', 2);
    expect(stage.arrivals('/hook')).toHaveLength(2);
  });

  test('by a filter is what the dry run counted', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '' });
    await dispatcher.publish(...Array.from({ length: 5 }, () => run('/hook?fail=1')), run('/cut?cut=1'), run('/good'));
    await quiet(7);
    for (const filter of [{ status: 'dead', errorCode: 'http_status' }, { status: 'dead' }]) {
      const dry = await redeliverMany(dispatcher, filter, { dryRun: true });
      expect(dry.body.count).toBe(filter.errorCode ? 5 : 1);
      expect((await redeliverMany(dispatcher, filter, { idempotency: { key: JSON.stringify(filter), bodyHash: 'a' } })).body).toEqual({ count: dry.body.count, replayed: false });
      await waitFor(async () => (await redeliverMany(dispatcher, filter, { dryRun: true })).body.count === 0);
      expect((await redeliverMany(dispatcher, filter, { idempotency: { key: JSON.stringify(filter), bodyHash: 'a' } })).body).toEqual({ count: dry.body.count, replayed: true });
    }
    await stage.all('delivered', 7);
    expect([stage.arrivals('/hook').length, stage.arrivals('/cut').length, stage.arrivals('/good').length]).toEqual([10, 2, 1]);
  });

  test('is refused when its subscription was deleted', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook');
    await dispatcher.publish(run('/callback'));
    const delivery = (await stage.all('delivered', 2)).find(({ target }) => target === id);
    await dispatcher.call('DELETE', `${PATH}/${id}?orgId=org_1`);
    expect(await redeliver(dispatcher, delivery?.id ?? '')).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    expect((await redeliverMany(dispatcher, {}, { dryRun: true })).body.count).toBe(1);
    expect((await stage.deliveries()).map(({ status }) => status)).toEqual(['delivered', 'delivered']);
  });
});

test('endpoints are shown with their success, latency and backlog', async () => {
  const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '3600' });
  const { id } = await stage.subscribe(dispatcher, '/hook?ms=30', { eventTypes: ['job.succeeded'] });
  await dispatcher.publish(run('/callback'), run('/callback'), run('/down?status=500', { status: 'failed' }), run('/down?cut=9', { status: 'failed' }));
  await dispatcher.call('POST', `${PATH}/${id}/test`, { orgId: 'org_1', deliveryId: 'whd_1', traceparent: `00-${TRACE_ID}-2222222222222222-01` });
  await quiet(7);
  const { endpoints } = (await dispatcher.call<EndpointList>('GET', `${ROOT}/endpoints?orgId=org_1`)).body;
  expect(endpoints).toEqual([
    { subscriptionId: null, endpoint: stage.hook('/down'), attempts: 2, successRate: 0, latencyMs: { p50: expect.any(Number), p95: expect.any(Number) }, backlog: 2, oldestWaitingAt: expect.any(String), failures: 2, pausedUntil: null },
    { subscriptionId: null, endpoint: stage.hook('/callback'), attempts: 2, successRate: 1, latencyMs: expect.any(Object), backlog: 0, oldestWaitingAt: null, failures: 0, pausedUntil: null },
    { subscriptionId: id, endpoint: stage.hook('/hook'), attempts: 2, successRate: 1, latencyMs: expect.any(Object), backlog: 0, oldestWaitingAt: null, failures: 0, pausedUntil: null },
  ]);
  expect(endpoints[2]?.latencyMs?.p50).toBeGreaterThanOrEqual(29);
  expect((await dispatcher.call<EndpointList>('GET', `${ROOT}/endpoints?orgId=org_2`)).body.endpoints).toEqual([]);
});
