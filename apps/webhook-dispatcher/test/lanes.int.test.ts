import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { statement } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { finishedRun } from './dispatcher.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { patch, soon, SubscriptionStage } from './subscription-stage.ts';

const stage = new SubscriptionStage();
let receiver: Receiver;
beforeEach(async () => void (receiver = await startReceiver(() => ({ status: 200 }))));
afterEach(() => receiver.close());

interface Lane {
  failures: number;
  pauses: number;
  pausedMs: number | null;
  rateMs: number | null;
}

const LANES = statement(
  'test.lanes',
  `select failures, pauses, (extract(epoch from paused_until - now()) * 1000)::float8 as "pausedMs", (extract(epoch from rate_at - now()) * 1000)::float8 as "rateMs" from webhooks.endpoints`,
);
const lane = async (): Promise<Lane | undefined> => (await stage.db.query<Lane>(LANES))[0];
const runs = (count: number) => Array.from({ length: count }, () => finishedRun(stage.hook('/callback'), { completedAt: soon() }));
const statuses = async (target: string) => (await stage.deliveries()).filter((row) => row.target === target).map(({ status, attemptCount }) => `${status} ${attemptCount}`);
/** Waits until what was published is delivered to the callbacks, so that it has been claimed from every lane that may be. */
const settled = (count: number) => waitFor(async () => (await stage.deliveries()).filter((row) => row.target === 'callback' && row.status === 'delivered').length === count, { timeoutMs: 20_000 });

describe('an endpoint that goes on failing', () => {
  test('is left alone: what waits for it is not used up, and goes out once it is back', async () => {
    receiver.answer = () => ({ status: 500 });
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, concurrency: 1, retrySeconds: [0, 0, 0] });
    await dispatcher.publish(...runs(20));
    const paused = await waitFor(async () => ((await lane())?.pausedMs ?? 0) > 0 && (await lane()));
    await stage.sql("update webhooks.endpoints set paused_until = now() + interval '1 hour'");
    await settled(20);
    expect(paused).toMatchObject({ failures: 5, pauses: 1 });
    expect(paused.pausedMs).toBeLessThanOrEqual(1200);
    expect(receiver.bodies).toHaveLength(5);
    // After the pause an attempt finds out, and the longer it has failed the longer is the next pause, up to five minutes.
    await stage.sql("update webhooks.endpoints set paused_until = now(), failing_since = now() - interval '1 hour'");
    await waitFor(async () => (await lane())?.pauses === 2);
    expect(receiver.bodies).toHaveLength(6);
    expect((await lane())?.pausedMs).toBeGreaterThan(200_000);
    receiver.answer = () => ({ status: 200 });
    await stage.sql('update webhooks.endpoints set paused_until = now()');
    await waitFor(async () => (await statuses(id)).every((status) => status.startsWith('delivered')), { timeoutMs: 20_000 });
    expect(await lane()).toMatchObject({ failures: 0, pauses: 0, pausedMs: null });
    expect(receiver.bodies).toHaveLength(26);
  });

  test('gets fewer attempts at a time with each failure', async () => {
    receiver.answer = () => ({ status: 500 });
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, concurrency: 4, retrySeconds: [60] });
    await dispatcher.publish(...runs(1));
    await waitFor(async () => (await lane())?.failures === 1);
    let held = 0;
    let most = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.answer = async () => {
      held += 1;
      most = Math.max(most, held);
      await promise;
      return { status: 200 };
    };
    await dispatcher.publish(...runs(10));
    await settled(11);
    await waitFor(() => held === 2);
    expect(most).toBe(2);
    resolve();
    await waitFor(async () => (await statuses(id)).filter((status) => status === 'delivered 1').length === 10, { timeoutMs: 20_000 });
  });

  test('that asks for fewer requests is left alone as a whole for as long as it says, up to five minutes', async () => {
    receiver.answer = () => ({ status: 429, headers: { 'retry-after': '3600' } });
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, concurrency: 1 });
    await dispatcher.publish(...runs(5));
    await waitFor(async () => ((await lane())?.pausedMs ?? 0) > 290_000);
    await settled(5);
    expect((await statuses(id)).sort()).toEqual(['pending 0', 'pending 0', 'pending 0', 'pending 0', 'pending 1']);
    expect((await lane())?.pausedMs).toBeLessThanOrEqual(300_000);
  });
});

describe('a subscription’s own limits', () => {
  test('hold how many attempts are made at a time, over all dispatchers', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.answer = () => promise.then(() => ({ status: 200 }));
    const [one, two] = [await stage.start(), await stage.start()];
    const { id } = await stage.subscribe(one, '/', { callbackUrl: receiver.url, concurrency: 3 });
    await one.publish(...runs(10));
    await waitFor(() => receiver.bodies.length === 3);
    two.gap();
    await settled(10);
    expect(receiver.bodies).toHaveLength(3);
    resolve();
    await waitFor(async () => (await statuses(id)).every((status) => status === 'delivered 1'), { timeoutMs: 20_000 });
    expect(receiver.most).toBe(3);
  });

  test('hold how many attempts are made a minute', async () => {
    const [one] = [await stage.start(), await stage.start()];
    const { id } = await stage.subscribe(one, '/', { callbackUrl: receiver.url, ratePerMinute: 1 });
    await one.publish(...runs(5));
    await settled(5);
    await waitFor(async () => (await statuses(id)).includes('delivered 1'));
    expect((await lane())?.rateMs).toBeGreaterThan(50_000);
    await stage.sql('update webhooks.endpoints set rate_at = now()');
    await waitFor(async () => (await statuses(id)).filter((status) => status === 'delivered 1').length === 2);
    expect((await lane())?.rateMs).toBeGreaterThan(50_000);
    expect((await statuses(id)).filter((status) => status === 'pending 0')).toHaveLength(3);
    expect(receiver.bodies).toHaveLength(2);
  });
});

describe('with ordered: true', () => {
  const at = (second: number) => new Date(Date.now() + 60_000 + second * 1000).toISOString();
  const ids = () => receiver.bodies.map((body) => (JSON.parse(body) as { runId: string }).runId);

  test('runs are told in the order of their ends; who fails is tried again before the next', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, ordered: true, retrySeconds: [0.05, 0.05] });
    const tries = new Map<string, number>();
    receiver.answer = (body) => {
      tries.set(body, (tries.get(body) ?? 0) + 1);
      return { status: tries.get(body) === 1 ? 500 : 200 };
    };
    // The first holds the line until the others have come, in another order.
    const { promise, resolve } = Promise.withResolvers<void>();
    const answer = receiver.answer;
    receiver.answer = (body) => promise.then(() => answer(body));
    const [first, ...others] = Array.from({ length: 5 }, (_, index) => finishedRun(stage.hook('/callback'), { completedAt: at(index - 600) }));
    await stage.sql(`update webhooks.subscriptions set active_since = now() - interval '1 hour'`);
    await patch(dispatcher, id, {});
    await dispatcher.publish(first!);
    await waitFor(() => receiver.bodies.length === 1);
    await dispatcher.publish(...others.toReversed());
    await settled(5);
    expect(receiver.bodies).toHaveLength(1);
    resolve();
    await waitFor(async () => (await statuses(id)).every((status) => status === 'delivered 2'), { timeoutMs: 20_000 });
    expect(ids()).toEqual([first!, ...others].flatMap(({ runId }) => [runId, runId]));
    expect(receiver.most).toBe(1);
  });

  test('who is dead is passed over', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, ordered: true, retrySeconds: [0.05] });
    await stage.sql(`update webhooks.subscriptions set active_since = now() - interval '1 hour'`);
    await patch(dispatcher, id, {});
    const [bad, good] = [finishedRun(stage.hook('/callback'), { completedAt: at(-600) }), finishedRun(stage.hook('/callback'), { completedAt: at(-599) })];
    receiver.answer = (body) => ({ status: body.includes(bad.runId) ? 500 : 200 });
    await dispatcher.publish(bad, good);
    await waitFor(async () => (await statuses(id)).sort().join() === 'dead 2,delivered 1', { timeoutMs: 20_000 });
    expect(ids()).toEqual([bad.runId, bad.runId, good.runId]);
  });

  /** A subscription whose first delivery has failed once and is to be tried again in an hour, with another one behind it. */
  async function stuck() {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, ordered: true, retrySeconds: [3600] });
    await stage.sql(`update webhooks.subscriptions set active_since = now() - interval '1 hour'`);
    await patch(dispatcher, id, {});
    const [first, second] = [finishedRun(undefined, { completedAt: at(-600) }), finishedRun(undefined, { completedAt: at(-599) })];
    receiver.answer = () => ({ status: 500 });
    await dispatcher.publish(first, second);
    await waitFor(async () => ((await lane())?.pausedMs ?? 0) > 2_000_000);
    receiver.answer = () => ({ status: 200 });
    const head = (await stage.deliveries()).find(({ runId }) => runId === first.runId)!;
    return { dispatcher, id, head, order: [first.runId, first.runId, second.runId] };
  }

  test('who gives the order up waits for it no longer', async () => {
    const { dispatcher, id, order } = await stuck();
    await patch(dispatcher, id, { ordered: false });
    await waitFor(() => receiver.bodies.length === 3, { timeoutMs: 20_000 });
    expect(ids().toSorted()).toEqual(order.toSorted());
  });

  test.each<[string, (of: Awaited<ReturnType<typeof stuck>>) => Promise<unknown>]>([
    ['who is sent again by request', ({ dispatcher, head }) => dispatcher.call('POST', `/internal/webhooks/deliveries/${head.id}/redeliver`, { orgId: 'org_1' })],
    ['all that are sent again by a filter', ({ dispatcher, id }) => dispatcher.call('POST', '/internal/webhooks/redeliver', { orgId: 'org_1', filter: { subscriptionId: id }, dryRun: false })],
    ['whose schedule is changed', ({ dispatcher, id }) => patch(dispatcher, id, { retrySeconds: [1] })],
  ])('%s waits no longer for the schedule, and keeps its place', async (_, ask) => {
    const line = await stuck();
    await ask(line);
    await waitFor(() => receiver.bodies.length === 3, { timeoutMs: 20_000 });
    expect(ids()).toEqual(line.order);
  });

  test('who was being told when its dispatcher stopped is still the first', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/', { callbackUrl: receiver.url, ordered: true });
    await stage.sql(`update webhooks.subscriptions set active_since = now() - interval '1 hour'`);
    await patch(dispatcher, id, {});
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.answer = () => promise.then(() => ({ status: 200 }));
    const [first, second] = [finishedRun(undefined, { completedAt: at(-600) }), finishedRun(undefined, { completedAt: at(-599) })];
    await dispatcher.publish(first, second);
    await waitFor(() => receiver.bodies.length === 1);
    await dispatcher.stop(0);
    resolve();
    await stage.start();
    await waitFor(async () => (await statuses(id)).every((status) => status === 'delivered 1'), { timeoutMs: 20_000 });
    expect(ids()).toEqual([first.runId, first.runId, second.runId]);
  });
});
