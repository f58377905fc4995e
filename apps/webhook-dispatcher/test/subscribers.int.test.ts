import { describe, expect, test } from '@jest/globals';
import type { Database } from '@nightshift/postgres';
import { InProcessHints } from '@nightshift/run-stream';
import { newId } from '@nightshift/std';
import { type EndpointRequest, waitFor } from '@nightshift/testing';
import { Subscribers } from '../src/subscribers.store.ts';
import { type Answer, ENCRYPTION_KEY, finishedRun } from './dispatcher.ts';
import { bare, bodiesOf, PATH, soon, verified, whsec, SubscriptionStage } from './subscription-stage.ts';

const stage = new SubscriptionStage();

describe('a run that has ended', () => {
  test('is told to every subscription of its organisation that asks for such runs, and to its callback', async () => {
    const run = finishedRun(stage.hook('/callback'), { completedAt: soon(), body: { result: { answer: 'yes' }, error: null, metadata: { team: 'a' } } });
    const dispatcher = await stage.start();
    const wanted = [
      await stage.subscribe(dispatcher, '/all'),
      await stage.subscribe(dispatcher, '/engine', { filters: { engines: ['tim-gpt'] } }),
      await stage.subscribe(dispatcher, '/metadata', { filters: { metadata: { team: 'a' } } }),
    ];
    await stage.subscribe(dispatcher, '/failed', { eventTypes: ['job.failed'] });
    await stage.subscribe(dispatcher, '/other-engine', { filters: { engines: ['tim'] } });
    await stage.subscribe(dispatcher, '/other-metadata', { filters: { metadata: { team: 'b' } } });
    await stage.subscribe(dispatcher, '/disabled', { enabled: false });
    await stage.subscribe(dispatcher, '/stranger', {}, 'org_2');
    await dispatcher.publish(run, run);
    const rows = await stage.all('delivered', 4);
    expect(stage.arrivals('/').map(({ path }) => path).sort()).toEqual(['/all', '/callback', '/engine', '/metadata']);
    expect(new Set(stage.arrivals('/').map(({ body }) => body)).size).toBe(1);
    expect(stage.arrivals('/').map(({ deliveryId }) => deliveryId).sort()).toEqual(rows.map(({ id }) => id));
    expect(rows.map(({ target }) => target).sort()).toEqual(['callback', ...wanted.map(({ id }) => id)].sort());
  });

  test('has its body asked for only where a subscription wants it', async () => {
    const [wanted, failed, stranger] = [finishedRun(undefined, { completedAt: soon() }), finishedRun(undefined, { completedAt: soon(), status: 'failed' }), finishedRun(undefined, { completedAt: soon(), orgId: 'org_2' })];
    const dispatcher = await stage.start({}, bodiesOf(wanted, failed, stranger));
    await stage.subscribe(dispatcher, '/hook', { eventTypes: ['job.succeeded'] });
    await dispatcher.publish(bare(failed), bare(stranger));
    expect(dispatcher.asked.filter((path) => path.endsWith('/finished'))).toEqual([]);
    await dispatcher.publish(bare(wanted));
    await stage.all('delivered', 1);
    expect(JSON.parse(stage.arrivals('/hook')[0]?.body ?? '')).toMatchObject({ runId: wanted.runId, result: { answer: 'yes' } });
  });

  test('costs no question of its own where nobody subscribed, whichever organisation it is of', async () => {
    const asked: string[] = [];
    const query: Database['query'] = (stmt, params) => {
      asked.push(stmt.name);
      return stage.db.query(stmt, params);
    };
    const subscribers = new Subscribers({ ...stage.db, query }, new InProcessHints());
    for (let i = 0; i < 50; i += 1) expect(await subscribers.of(new Set([`org_${i}`]))).toEqual(new Map());
    expect(asked).toEqual(['webhooks.subscribed']);
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook');
    // An answer that was asked for before a change is of no use after it.
    subscribers.changed('org_1');
    const before = subscribers.of(new Set(['org_2']));
    subscribers.changed('org_1');
    expect([...(await subscribers.of(new Set(['org_1', 'org_2'])))].map(([orgId, found]) => [orgId, found.map((one) => one.id)])).toEqual([['org_1', [id]]]);
    await before;
    expect(asked).toEqual(['webhooks.subscribed', 'webhooks.subscribed', 'webhooks.subscribed', 'webhooks.subscribers']);
  });

  test('goes by the name that the subscription uses', async () => {
    const dispatcher = await stage.start();
    await stage.subscribe(dispatcher, '/alias', { eventTypes: ['job.completed', 'job.failed'] });
    await stage.subscribe(dispatcher, '/name', { eventTypes: ['job.succeeded', 'job.canceled'] });
    await dispatcher.publish(finishedRun(stage.hook('/c1')), finishedRun(stage.hook('/c2'), { status: 'timed_out' }), finishedRun(stage.hook('/c3'), { status: 'canceled' }));
    await stage.all('delivered', 7);
    const events = (path: string) => stage.arrivals(path).map(({ headers }) => headers['x-webhook-event']).sort();
    expect([events('/alias'), events('/name'), events('/c')]).toEqual([['job.completed', 'job.failed'], ['job.canceled', 'job.succeeded'], ['job.canceled', 'job.failed', 'job.succeeded']]);
  });

  test('is not told to who subscribed after its end, however late it is announced', async () => {
    const [before, after] = [finishedRun(undefined, { completedAt: new Date(Date.now() - 60_000).toISOString() }), finishedRun(undefined, { completedAt: new Date(Date.now() + 60_000).toISOString() })];
    const dispatcher = await stage.start({}, bodiesOf(before, after));
    await stage.subscribe(dispatcher, '/hook');
    await dispatcher.publish(bare(before), bare(after));
    expect(await stage.all('delivered', 1)).toMatchObject([{ runId: after.runId }]);
  });

  test('that nobody heard announced is told once the producer is asked, in the trace of the run', async () => {
    const run = finishedRun(undefined);
    const traceparent = '00-11111111111111111111111111111111-2222222222222222-01';
    const runs: Answer = (path, ...rest) => (path.endsWith('/finished-runs') ? { body: { events: [{ ...bare(run), traceparent }], nextCursor: null } } : bodiesOf(run)(path, ...rest));
    const first = await stage.start();
    await stage.subscribe(first, '/hook');
    run.completedAt = new Date(Date.now() + 1000).toISOString();
    await first.stop();
    const second = await stage.start({}, runs);
    expect(await stage.all('delivered', 1)).toMatchObject([{ runId: run.runId }]);
    second.gap();
    await second.publish(finishedRun(stage.hook('/marker'), { orgId: 'org_2' }));
    await stage.all('delivered', 2);
    expect(stage.arrivals('/hook').map(({ headers }) => headers['traceparent'])).toEqual([traceparent]);
  });
});

describe('a delivery of no run', () => {
  const ids = () => ({ orgId: 'org_1', deliveryId: newId('whd'), traceparent: '00-11111111111111111111111111111111-2222222222222222-01' });

  test('tries any address, once per order', async () => {
    const dispatcher = await stage.start();
    const order = { ...ids(), callbackUrl: stage.hook('/canary'), egressAllow: [] };
    const { body } = await dispatcher.call('POST', '/internal/webhooks/canary', order);
    expect(body).toEqual({ deliveryId: order.deliveryId, callbackUrl: order.callbackUrl, status: 'queued', payload: { kind: 'canary', ts: expect.any(String), orgId: 'org_1' } });
    await dispatcher.call('POST', '/internal/webhooks/canary', order);
    expect(await stage.all('delivered', 1)).toMatchObject([{ id: order.deliveryId, runId: null }]);
    const [request, ...more] = stage.arrivals('/canary');
    expect(more).toEqual([]);
    expect([JSON.parse(request?.body ?? ''), request?.headers['x-webhook-event']]).toEqual([(body as { payload: object }).payload, 'canary']);
    expect(request?.headers).not.toHaveProperty('x-webhook-signature');
  });

  test('tries a subscription as it is, signed, also one that is disabled', async () => {
    const secret = whsec();
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook', { secret, enabled: false, headers: { 'x-team': 'a' } });
    const { status, body } = await dispatcher.call('POST', `${PATH}/${id}/test`, ids());
    expect([status, body]).toMatchObject([200, { callbackUrl: stage.hook('/hook'), payload: { kind: 'test', orgId: 'org_1' } }]);
    const [request] = await stage.arrived('/hook');
    expect(verified(secret, request as EndpointRequest)).toEqual((body as { payload: object }).payload);
    expect(request?.headers).toMatchObject({ 'x-webhook-event': 'test', 'x-team': 'a' });
  });
});

test('what an organisation may reach holds for its subscriptions at once, and for no other’s', async () => {
  const dispatcher = await stage.start({ EGRESS_ALLOW: '' });
  await stage.subscribe(dispatcher, '/one', { secret: whsec() });
  const other = await stage.subscribe(dispatcher, '/two', { secret: whsec() }, 'org_2');
  const allow = (...egressAllow: string[]) => dispatcher.call('POST', '/internal/webhooks/egress', { orgId: 'org_1', egressAllow });
  const ended = async () => Object.fromEntries((await stage.deliveries()).map(({ target, errorCode, status }) => [target === other.id ? 'two' : 'one', errorCode ?? status]));
  expect((await allow('127.0.0.0/8')).status).toBe(204);
  await dispatcher.publish(finishedRun(undefined), finishedRun(undefined, { orgId: 'org_2' }));
  await waitFor(async () => (await ended())['one'] === 'delivered' && (await ended())['two'] === 'address_blocked');
  await allow();
  await dispatcher.publish(finishedRun(undefined));
  await waitFor(async () => (await stage.deliveries()).filter(({ errorCode }) => errorCode === 'address_blocked').length === 2);
  expect(stage.arrivals('/')).toHaveLength(1);
});

describe('the encryption key', () => {
  const other = Buffer.alloc(32, 9).toString('base64');

  test('can be changed: what it encrypted is encrypted anew, and then the old one is not needed', async () => {
    const secret = whsec();
    const first = await stage.start();
    await stage.subscribe(first, '/hook', { secret, headers: { 'x-team': 'a' } });
    const before = await stage.dump();
    await first.stop();
    const second = await stage.start({ ENCRYPTION_KEY: other, ENCRYPTION_KEY_PREVIOUS: ENCRYPTION_KEY });
    await waitFor(async () => (await stage.dump()) !== before);
    await second.stop();
    const third = await stage.start({ ENCRYPTION_KEY: other });
    await third.publish(finishedRun(stage.hook('/c')));
    const [request] = await stage.arrived('/hook');
    expect(verified(secret, request as EndpointRequest)).toBeDefined();
    expect(request?.headers['x-team']).toBe('a');
  });

  test('can be changed while old processes go on: each opens what the other has written, and what none can open hinders no other', async () => {
    const before = await stage.start({ ENCRYPTION_KEY_PREVIOUS: other });
    const locked = await stage.subscribe(before, '/locked', { secret: whsec() });
    await stage.sql(`update webhooks.subscriptions set secret = 'enc:v1:00000000:x' where id = '${locked.id}'`);
    await stage.subscribe(before, '/early', { secret: whsec() });
    const early = await stage.dump();
    const after = await stage.start({ ENCRYPTION_KEY: other, ENCRYPTION_KEY_PREVIOUS: ENCRYPTION_KEY });
    await waitFor(async () => (await stage.dump()) !== early);
    await stage.subscribe(before, '/late', { secret: whsec() });
    for (const dispatcher of [before, after]) await dispatcher.publish(finishedRun(undefined));
    for (const path of ['/early', '/late']) expect(await stage.arrived(path, 2)).toHaveLength(2);
    const late = await stage.dump();
    await after.stop();
    const last = await stage.start({ ENCRYPTION_KEY: other, ENCRYPTION_KEY_PREVIOUS: ENCRYPTION_KEY });
    await waitFor(async () => (await stage.dump()) !== late);
    await Promise.all([before.stop(), last.stop()]);
    const without = await stage.start({ ENCRYPTION_KEY: other });
    await without.publish(finishedRun(undefined));
    for (const path of ['/early', '/late']) expect(await stage.arrived(path, 3)).toHaveLength(3);
    expect(stage.arrivals('/locked')).toEqual([]);
  });

  test('that is missing keeps deliveries waiting: nothing is sent unsigned, and no attempt is used up', async () => {
    const first = await stage.start();
    const { id } = await stage.subscribe(first, '/hook', { secret: whsec() });
    await first.stop();
    const second = await stage.start({ ENCRYPTION_KEY: other });
    await second.publish(finishedRun(stage.hook('/c')));
    const waiting = await waitFor(async () => (await stage.deliveries()).find((row) => row.target === id && row.errorCode === 'secret_locked'));
    expect(waiting).toMatchObject({ status: 'pending', attemptCount: 0, attempts: 0 });
    expect(stage.arrivals('/hook')).toEqual([]);
  });
});
