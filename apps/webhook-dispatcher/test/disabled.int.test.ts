import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Subscription } from '@nightshift/contracts';
import { waitFor } from '@nightshift/testing';
import { EndpointStore } from '../src/endpoint.store.ts';
import { type Dispatcher, finishedRun } from './dispatcher.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { PATH, patch, soon, SubscriptionStage } from './subscription-stage.ts';

const stage = new SubscriptionStage();
let receiver: Receiver;
beforeEach(async () => void (receiver = await startReceiver(() => ({ status: 200 }))));
afterEach(() => receiver.close());

const run = () => finishedRun(stage.hook('/callback'), { completedAt: soon() });
const to = async (target: string) => (await stage.deliveries()).filter((row) => row.target === target);
const get = async (dispatcher: Dispatcher, id: string) => (await dispatcher.call<Subscription>('GET', `${PATH}/${id}?orgId=org_1`)).body;
const disabled = (dispatcher: Dispatcher, id: string) => waitFor(async () => !(await get(dispatcher, id)).enabled && get(dispatcher, id));
const callbacks = (count: number) => waitFor(async () => (await to('callback')).filter(({ status }) => status === 'delivered').length === count, { timeoutMs: 20_000 });

describe('an endpoint that says it is gone (410)', () => {
  test('gets nothing more, and the organisation’s other subscriptions are told, once each', async () => {
    receiver.answer = () => ({ status: 410 });
    const [dispatcher] = [await stage.start(), await stage.start()];
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, secret: 'a secret of its own' });
    const other = await stage.subscribe(dispatcher, '/other', { eventTypes: ['job.failed'], secret: 'another secret' });
    await stage.subscribe(dispatcher, '/off', { enabled: false });
    await stage.subscribe(dispatcher, '/stranger', {}, 'org_2');
    await dispatcher.publish(run());
    expect(await disabled(dispatcher, id)).toMatchObject({ disabledReason: 'gone', disabledAt: expect.any(String) });
    expect(await to(id)).toMatchObject([{ status: 'dead', attemptCount: 1, errorCode: 'http_status', inMs: null }]);
    const [notice] = await stage.arrived('/other');
    expect([notice?.headers['x-webhook-event'], JSON.parse(notice?.body ?? '')]).toEqual(['webhook.endpoint_disabled', {
      kind: 'webhook.endpoint_disabled', ts: expect.any(String), orgId: 'org_1',
      subscription: { id, callbackUrl: receiver.url, disabledReason: 'gone', disabledAt: expect.any(String) },
    }]);
    expect(notice?.headers).toHaveProperty('webhook-signature');
    await dispatcher.publish(run());
    await callbacks(2);
    expect([receiver.bodies.length, (await to(other.id)).length, stage.arrivals('/off').length, stage.arrivals('/stranger').length]).toEqual([1, 1, 0, 0]);
  });

  test('is believed of a test as well', async () => {
    receiver.answer = () => ({ status: 410 });
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url });
    await dispatcher.call('POST', `${PATH}/${id}/test`, { orgId: 'org_1', deliveryId: 'whd_1', traceparent: '00-11111111111111111111111111111111-2222222222222222-01' });
    expect(await disabled(dispatcher, id)).toMatchObject({ disabledReason: 'gone' });
  });

  test('as a callback kills its delivery at once, and the next run is told again', async () => {
    receiver.answer = () => ({ status: 410 });
    const dispatcher = await stage.start();
    const gone = () => finishedRun(receiver.url);
    await dispatcher.publish(gone());
    await stage.all('dead', 1);
    await dispatcher.publish(gone());
    expect(await stage.all('dead', 2)).toMatchObject([{ attemptCount: 1 }, { attemptCount: 1 }]);
  });
});

describe('a subscription that is disabled while deliveries wait', () => {
  /** Three deliveries that have failed once and wait. */
  async function waiting(dispatcher: Dispatcher): Promise<string> {
    receiver.answer = () => ({ status: 500 });
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, retrySeconds: [60, 60] });
    await dispatcher.publish(run(), run(), run());
    await waitFor(async () => (await to(id)).every(({ attemptCount, held }) => attemptCount === 1 && !held) && (await to(id)).length === 3);
    await patch(dispatcher, id, { enabled: false });
    receiver.answer = () => ({ status: 200 });
    await stage.sql(`update webhooks.deliveries set due_at = now() where status = 'pending'`);
    await dispatcher.publish(run());
    await callbacks(4);
    expect((await to(id)).map(({ status }) => status)).toEqual(['pending', 'pending', 'pending']);
    expect(receiver.bodies).toHaveLength(3);
    return id;
  }

  test('sends them when it is enabled again', async () => {
    const dispatcher = await stage.start();
    const id = await waiting(dispatcher);
    await patch(dispatcher, id, { enabled: true });
    await waitFor(async () => (await to(id)).every(({ status, attemptCount }) => status === 'delivered' && attemptCount === 2));
    expect(receiver.bodies).toHaveLength(6);
  });

  test('cancels them when it is told to discard its backlog, and hears of the next run', async () => {
    const dispatcher = await stage.start();
    const id = await waiting(dispatcher);
    await patch(dispatcher, id, { enabled: true, backlog: 'discard' });
    expect(await to(id)).toMatchObject(Array.from({ length: 3 }, () => ({ status: 'canceled', inMs: null, held: false })));
    await dispatcher.publish(run());
    await waitFor(() => receiver.bodies.length === 4);
    await waitFor(async () => (await to(id)).filter(({ status }) => status === 'delivered').length === 1);
  });

  test('keeps them no longer than anything else is kept', async () => {
    const dispatcher = await stage.start();
    const id = await waiting(dispatcher);
    await dispatcher.stop();
    await stage.sql(`update webhooks.deliveries set created_at = now() - interval '31 days' where attempt_count = 1 and status = 'pending'`);
    const endpoints = new EndpointStore(stage.db);
    expect(await endpoints.expire(40, 100)).toBe(0);
    expect(await endpoints.expire(30, 2)).toBe(2);
    expect(await endpoints.expire(30, 2)).toBe(1);
    expect((await to(id)).map(({ status }) => status)).toEqual(['canceled', 'canceled', 'canceled']);
  });
});

describe('an endpoint that has failed for five days', () => {
  test('is disabled, and the others are told', async () => {
    const dispatcher = await stage.start();
    const [failing, recent, once] = [await stage.subscribe(dispatcher, '/failing'), await stage.subscribe(dispatcher, '/recent'), await stage.subscribe(dispatcher, '/once')];
    const fails = (id: string, since: string, until: string, failures: number) => stage.sql(`insert into webhooks.endpoints (lane, failures, failing_since, failed_at) values ('org_1 ${id}', ${failures}, now() - interval '${since}', now() - interval '${until}')`);
    await fails(recent.id, '119 hours', '0 hours', 50);
    await fails(once.id, '140 hours', '139 hours', 5);
    await fails(failing.id, '122 hours', '1 hour', 50);
    expect(await new EndpointStore(stage.db).disableFailing()).toBe(1);
    await stage.start();
    await stage.arrived('/recent');
    await stage.arrived('/once');
    expect(await get(dispatcher, failing.id)).toMatchObject({ enabled: false, disabledReason: 'failing' });
    expect(await Promise.all([recent.id, once.id].map(async (id) => (await get(dispatcher, id)).enabled))).toEqual([true, true]);
    expect(stage.arrivals('/failing')).toEqual([]);
    // Enabled again it starts afresh.
    await patch(dispatcher, failing.id, { enabled: true });
    expect(await new EndpointStore(stage.db).disableFailing()).toBe(0);
  });

  test('as a callback is never disabled, but what has waited for as long is given up', async () => {
    receiver.answer = () => ({ status: 500 });
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '60', ENDPOINT_CONCURRENCY: '1' });
    await dispatcher.publish(...Array.from({ length: 8 }, () => finishedRun(receiver.url)));
    await waitFor(async () => (await stage.sql<{ n: number }>('select pauses as n from webhooks.endpoints'))[0]?.n === 1);
    await dispatcher.stop();
    await stage.sql(`update webhooks.deliveries set created_at = now() - interval '6 days' where attempt_count = 0`);
    const endpoints = new EndpointStore(stage.db);
    expect(await endpoints.expire(30, 100)).toBe(0);
    await stage.sql(`update webhooks.endpoints set failing_since = now() - interval '6 days'`);
    expect(await endpoints.expire(30, 100)).toBe(3);
    expect((await stage.deliveries()).map(({ status, attemptCount, errorCode }) => `${status} ${attemptCount} ${errorCode}`).sort()).toEqual([
      ...Array.from({ length: 3 }, () => 'dead 0 endpoint_failing'), ...Array.from({ length: 5 }, () => 'pending 1 http_status'),
    ]);
    expect(await endpoints.forget(1, 10)).toBe(0);
    await stage.sql(`update webhooks.deliveries set due_at = null`);
    expect(await endpoints.forget(1, 10)).toBe(1);
  });
});
