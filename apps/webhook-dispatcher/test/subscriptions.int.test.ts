import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { CreateSubscription, type Subscription } from '@nightshift/contracts';
import { statement } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { type EndpointRequest, waitFor } from '@nightshift/testing';
import { SUBSCRIPTIONS_MAX } from '../src/subscription.ts';
import { finishedRun } from './dispatcher.ts';
import { PATH, patch, soon, verified, whsec, SubscriptionStage } from './subscription-stage.ts';

const stage = new SubscriptionStage();

describe('a subscription', () => {
  test('is shown whole once, and then without its secret and the values of its headers', async () => {
    const secret = whsec();
    const dispatcher = await stage.start();
    const made = await stage.subscribe(dispatcher, '/hook', { secret, headers: { authorization: 'Bearer canary' }, description: 'Mine', filters: { engines: ['tim'] }, retrySeconds: [1, 2], ratePerMinute: 60, concurrency: 2, ordered: true });
    expect(made).toMatchObject({ id: expect.stringMatching(/^whs_[0-9a-f]{32}$/), orgId: 'org_1', secret, enabled: true, headerNames: ['authorization'], description: 'Mine', retrySeconds: [1, 2], ratePerMinute: 60, concurrency: 2, ordered: true, version: 1, disabledReason: null });
    const one = await dispatcher.call('GET', `${PATH}/${made.id}?orgId=org_1`);
    const all = await dispatcher.call('GET', `${PATH}?orgId=org_1`);
    expect([one.body, all.body]).toEqual([{ ...made, secret: '********' }, { subscriptions: [{ ...made, secret: '********' }] }]);
    expect(await stage.dump()).not.toMatch(new RegExp(`${secret.slice(6, 30).replaceAll('+', '\\+')}|canary`));
  });

  test('signs its deliveries and carries its headers; without a secret it does not sign', async () => {
    const secret = whsec();
    const dispatcher = await stage.start();
    await stage.subscribe(dispatcher, '/signed', { secret, headers: { authorization: 'Bearer canary' } });
    await stage.subscribe(dispatcher, '/unsigned');
    await dispatcher.publish(finishedRun(stage.hook('/callback')));
    const [delivery] = (await stage.all('delivered', 3)).filter(({ target }) => target !== 'callback');
    const [[signed], [unsigned]] = [await stage.arrived('/signed'), await stage.arrived('/unsigned')];
    expect(verified(secret, signed as EndpointRequest)).toMatchObject({ status: 'succeeded' });
    expect(signed?.headers).toMatchObject({ authorization: 'Bearer canary', 'x-webhook-signature': createHmac('sha256', secret).update(signed?.body ?? '').digest('hex') });
    for (const name of ['x-webhook-signature', 'webhook-signature', 'authorization']) expect(unsigned?.headers).not.toHaveProperty(name);
    const recorded = await stage.db.query<{ headers: object }>(statement('test.headers', 'select request_headers as headers from webhooks.attempts'));
    expect(JSON.stringify(recorded)).not.toContain('canary');
    expect(delivery).toBeDefined();
  });

  test('signs each attempt anew, over the same bytes', async () => {
    const secret = whsec();
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0.05,0.05' });
    const { id } = await stage.subscribe(dispatcher, '/flaky?fail=1', { secret, retrySeconds: [60] });
    await dispatcher.publish(finishedRun(stage.hook('/callback')));
    await stage.arrived('/flaky');
    const rotated = await dispatcher.call<Subscription>('POST', `${PATH}/${id}/rotate-secret`, { orgId: 'org_1', graceSeconds: 60, secret: whsec() });
    await stage.retryNow();
    const [first, second] = await stage.arrived('/flaky', 2);
    expect(second?.body).toBe(first?.body);
    expect(verified(secret, first as EndpointRequest)).toEqual(verified(rotated.body.secret as string, second as EndpointRequest));
  });

  test('with a rotated secret is verified with both while the grace lasts, and then with the new one alone', async () => {
    const secret = whsec();
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook', { secret });
    const next = whsec();
    const rotate = () => dispatcher.call<Subscription>('POST', `${PATH}/${id}/rotate-secret`, { orgId: 'org_1', graceSeconds: 60, secret: next });
    expect(await rotate()).toMatchObject({ status: 200, body: { id, secret: next } });
    // The gateway repeats an order whose reply was lost.
    expect((await rotate()).body.secret).toBe(next);
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    const [request] = await stage.arrived('/hook');
    for (const one of [secret, next]) expect(verified(one, request as EndpointRequest)).toMatchObject({ status: 'succeeded' });
    const hmac = (key: string) => createHmac('sha256', key).update(request?.body ?? '').digest('hex');
    expect(request?.headers).toMatchObject({ 'x-webhook-signature': hmac(secret), 'x-webhook-signature-new': hmac(next) });
    await stage.db.query(statement('test.grace_over', `update webhooks.subscriptions set previous_until = now() - interval '1 second'`));
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    const [, later] = await stage.arrived('/hook', 2);
    expect(later?.headers['x-webhook-signature']).toBe(createHmac('sha256', next).update(later?.body ?? '').digest('hex'));
    expect(later?.headers).not.toHaveProperty('x-webhook-signature-new');
    expect(() => verified(secret, later as EndpointRequest)).toThrow();
  });

  test('gets a first secret without a grace, and none at all when it is removed', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook');
    const secret = whsec();
    await dispatcher.call('POST', `${PATH}/${id}/rotate-secret`, { orgId: 'org_1', graceSeconds: 60, secret });
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    const [signed] = await stage.arrived('/hook');
    expect(verified(secret, signed as EndpointRequest)).toBeDefined();
    expect(signed?.headers).not.toHaveProperty('x-webhook-signature-new');
    expect((await patch(dispatcher, id, { secret: null })).body.secret).toBeNull();
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    const [, unsigned] = await stage.arrived('/hook', 2);
    expect(unsigned?.headers).not.toHaveProperty('webhook-signature');
  });

  test('is changed for the attempts that follow, those of waiting deliveries too', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/old?status=500', { retrySeconds: [60], description: 'Old', headers: { 'x-team': 'a' } });
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    await stage.arrived('/old');
    expect((await patch(dispatcher, id, { callbackUrl: stage.hook('/new'), description: null, eventTypes: ['job.failed'] })).body).toMatchObject({ callbackUrl: stage.hook('/new'), description: null, eventTypes: ['job.failed'], headerNames: ['x-team'] });
    await stage.retryNow();
    expect((await stage.arrived('/new'))[0]?.headers['x-team']).toBe('a');
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    await stage.all('delivered', 3);
    expect(stage.arrivals('/new')).toHaveLength(1);
  });

  test('does not take its headers to another origin', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook', { headers: { 'x-key': 'canary' } });
    expect(await patch(dispatcher, id, { callbackUrl: 'https://elsewhere.example/' })).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining('headers') } } });
    expect(await patch(dispatcher, id, { callbackUrl: 'https://elsewhere.example/', headers: null })).toMatchObject({ status: 200, body: { headerNames: [] } });
  });

  test('that is disabled hears of no run that ends meanwhile', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook');
    expect((await patch(dispatcher, id, { enabled: false })).body).toMatchObject({ enabled: false, disabledReason: 'by_request', disabledAt: expect.any(String) });
    const missed = finishedRun(stage.hook('/c'), { completedAt: new Date().toISOString() });
    await dispatcher.publish(missed);
    await stage.all('delivered', 1);
    expect((await patch(dispatcher, id, { enabled: true })).body).toMatchObject({ enabled: true, disabledReason: null, disabledAt: null });
    await dispatcher.publish(missed, finishedRun(stage.hook('/c'), { completedAt: soon() }));
    await stage.all('delivered', 3);
    expect(stage.arrivals('/hook')).toHaveLength(1);
  });

  test('that is deleted gets nothing more: what waits for it is canceled, also what is being sent', async () => {
    const dispatcher = await stage.start({ WEBHOOK_TIMEOUT_MS: '60000' });
    const { id } = await stage.subscribe(dispatcher, '/hook?hang=1');
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    await stage.arrived('/hook');
    expect((await dispatcher.call('DELETE', `${PATH}/${id}?orgId=org_1`)).status).toBe(204);
    await dispatcher.publish(finishedRun(stage.hook('/c')));
    await waitFor(async () => (await stage.deliveries()).filter(({ status }) => status === 'delivered').length === 2);
    expect((await stage.deliveries()).filter(({ target }) => target === id)).toMatchObject([{ status: 'canceled', held: false, inMs: null }]);
    expect(stage.arrivals('/hook')).toHaveLength(1);
    expect((await dispatcher.call('GET', `${PATH}/${id}?orgId=org_1`)).status).toBe(404);
  });

  test('is there for its own organisation alone', async () => {
    const dispatcher = await stage.start();
    const { id } = await stage.subscribe(dispatcher, '/hook');
    const ids = { orgId: 'org_2', deliveryId: newId('whd'), traceparent: '00-11111111111111111111111111111111-2222222222222222-01' };
    expect(await Promise.all([
      dispatcher.call('GET', `${PATH}/${id}?orgId=org_2`), patch(dispatcher, id, {}, 'org_2'), dispatcher.call('DELETE', `${PATH}/${id}?orgId=org_2`),
      dispatcher.call('POST', `${PATH}/${id}/test`, ids), dispatcher.call('POST', `${PATH}/${id}/rotate-secret`, { orgId: 'org_2', graceSeconds: 1, secret: whsec() }),
    ])).toMatchObject(Array.from({ length: 5 }, () => ({ status: 404, body: { error: { code: 'not_found' } } })));
    expect((await dispatcher.call('GET', `${PATH}?orgId=org_2`)).body).toEqual({ subscriptions: [] });
  });

  test('is made once under an idempotency key, and the reply carries the secret again', async () => {
    const dispatcher = await stage.start();
    const secret = whsec();
    const create = (bodyHash: string) => dispatcher.call<{ subscription: Subscription; replayed: boolean }>('POST', PATH, {
      id: newId('whs'), orgId: 'org_1', egressAllow: [], idempotency: { key: 'k', bodyHash },
      subscription: CreateSubscription.parse({ callbackUrl: stage.hook('/hook'), eventTypes: ['job.failed'], secret }),
    });
    const [first, ...others] = (await Promise.all([create('a'), create('a'), create('a')])).map(({ body }) => body).sort((a, b) => Number(a.replayed) - Number(b.replayed));
    expect(first).toMatchObject({ replayed: false, subscription: { secret } });
    expect(others).toEqual([{ ...first, replayed: true }, { ...first, replayed: true }]);
    await patch(dispatcher, first?.subscription.id ?? '', { secret: null, description: 'changed' });
    expect((await create('a')).body).toEqual({ ...first, replayed: true });
    expect(await create('b')).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    expect(await stage.dump()).not.toContain(secret.slice(6, 30));
  });

  test('is refused beyond what an organisation may have', async () => {
    const dispatcher = await stage.start();
    await stage.db.query(statement('test.many', `insert into webhooks.subscriptions (id, org_id, callback_url, egress_allow, event_types, filters, header_names, enabled, ordered, version)
      select 'whs_' || n, 'org_1', 'https://a/', '[]', '[]', '{}', '[]', true, false, 1 from generate_series(1, ${SUBSCRIPTIONS_MAX}) n`));
    const body = { id: newId('whs'), orgId: 'org_1', egressAllow: [], subscription: CreateSubscription.parse({ callbackUrl: 'https://a/', eventTypes: ['job.failed'] }) };
    expect(await dispatcher.call('POST', PATH, body)).toMatchObject({ status: 400, body: { error: { code: 'invalid_request', message: expect.stringContaining(String(SUBSCRIPTIONS_MAX)) } } });
  });

  test('takes effect on every dispatcher, hint or no hint', async () => {
    const [one, two] = [await stage.start(), await stage.start()];
    await two.publish(finishedRun(stage.hook('/c')));
    await stage.all('delivered', 1);
    await stage.subscribe(one, '/hook');
    const heard = await waitFor(async () => {
      await two.publish(finishedRun(stage.hook('/c'), { completedAt: soon() }));
      return stage.arrivals('/hook')[0];
    }, { timeoutMs: 10_000 });
    expect(heard.headers['x-webhook-event']).toBe('job.succeeded');
  });
});
