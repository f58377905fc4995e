import { beforeAll, describe, expect, test } from '@jest/globals';
import { createHmac, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { Api, ApiError } from './api.client.ts';
import { shapes } from './product.ts';
import { type More, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type Subscription = { id: string; orgId: string; callbackUrl: string; secret: string | null; enabled: boolean; disabledReason: string | null; headerNames: string[] };
type Delivery = { id: string; runId: string | null; subscriptionId: string | null; status: string; attemptCount: number; nextAttemptAt: string | null; lastError: { code: string; message: string } | null; traceId: string };
type Page = { deliveries: Delivery[]; nextCursor: string | null };
type Detail = Delivery & { payload: { runId: string }; attempts: { number: number; status: number | null; errorCode: string | null; requestHeaders: Record<string, string>; responseBody: string; traceId: string }[] };

const SUBSCRIPTIONS = '/v1/webhooks/subscriptions';
const DELIVERIES = '/v1/webhooks/deliveries';

describe.each(shapes)('webhook subscriptions in %s', (shape) => {
  const on = stage(shape);
  let stranger: Api;
  beforeAll(async () => void (stranger = await on.newTenant()));

  /** A subscription of an organisation of its own, whose runs nobody else is told of. */
  async function subscribed(more: object = {}, query = '') {
    const path = `/hook/${randomUUID()}`;
    const api = await on.newTenant();
    const { status, body } = await api.call<Subscription>('POST', SUBSCRIPTIONS, { body: { callbackUrl: `${on.endpoint.url}${path}${query}`, eventTypes: ['job.succeeded', 'job.failed'], ...more } });
    expect(status).toBe(201);
    const arrivals = () => on.endpoint.requests({ prefix: path });
    const arrived = async (count: number) => {
      await until(() => arrivals().length >= count, { timeoutMs: 45_000, what: () => `${count} arrivals at ${path}` });
      return arrivals();
    };
    const run = async (more: More = {}) => (await api.post(request({}, more))).body.runId;
    return { api, subscription: body, path, arrivals, arrived, run };
  }

  const deliveryOf = async (api: Api, query: string, wanted: (delivery: Delivery) => boolean): Promise<Delivery> => {
    let page: Page | undefined;
    await until(async () => {
      page = (await api.call<Page>('GET', `${DELIVERIES}?${query}`)).body;
      return page.deliveries.some(wanted);
    }, { timeoutMs: 45_000, what: () => `the delivery among ${JSON.stringify(page)}` });
    return page?.deliveries.find(wanted) as Delivery;
  };

  test('are told of runs, signed for both kinds of receivers, beside the run’s own callback', async () => {
    const { api, subscription, arrived, run, path } = await subscribed({ secret: 'a secret that is ours', headers: { Authorization: 'Bearer canary' }, filters: { metadata: { team: 'a' } } });
    expect([subscription.secret, subscription.headerNames, subscription.callbackUrl]).toEqual(['a secret that is ours', ['authorization'], `${on.endpoint.url}${path}`]);
    await run({ input: { metadata: { team: 'b' } } });
    const runId = await run({ input: { metadata: { team: 'a' } }, output: { callbackUrl: `${on.endpoint.url}${path}/callback` } });
    const all = await arrived(2);
    const [callback, told] = [all.find((one) => one.path.endsWith('/callback')), all.find((one) => one.path === path)];
    expect(told?.body).toBe(callback?.body);
    expect(told?.headers).toMatchObject({ authorization: 'Bearer canary', 'x-webhook-event': 'job.succeeded', 'x-webhook-signature': createHmac('sha256', 'a secret that is ours').update(told?.body ?? '').digest('hex') });
    expect(new Webhook('a secret that is ours', { format: 'raw' }).verify(told?.body ?? '', { ...told?.headers })).toMatchObject({ runId, status: 'succeeded', metadata: { team: 'a' } });
    expect(callback?.headers).not.toHaveProperty('x-webhook-signature');
    const shown = await api.call('GET', `${SUBSCRIPTIONS}/${subscription.id}`);
    expect(shown.body).toEqual({ ...subscription, secret: '********' });
    expect((await api.call('GET', SUBSCRIPTIONS)).text).not.toMatch(/a secret that is ours|canary/);
    expect((await api.call<Page>('GET', `${DELIVERIES}?runId=${runId}`)).body.deliveries.map(({ subscriptionId, attemptCount }) => [subscriptionId, attemptCount]).sort()).toEqual([[null, 1], [subscription.id, 1]].sort());
  });

  test('go on verifying while their secret is changed', async () => {
    const { api, subscription, arrived, run } = await subscribed({ secret: `whsec_${Buffer.alloc(32, 1).toString('base64')}` });
    const rotated = await api.call<Subscription>('POST', `${SUBSCRIPTIONS}/${subscription.id}/rotate-secret`, { body: { graceSeconds: 3600 } });
    expect([rotated.status, rotated.body.secret]).toEqual([200, expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/)]);
    await run();
    const [told] = await arrived(1);
    for (const secret of [subscription.secret, rotated.body.secret]) expect(new Webhook(secret ?? '').verify(told?.body ?? '', { ...told?.headers })).toBeDefined();
  });

  test('lead from a delivery that failed to its run, its trace and every attempt, and it is sent again', async () => {
    const { api, subscription, arrived, arrivals, run } = await subscribed({ retrySeconds: [0] }, '?fail=2&status=503');
    const runId = await run();
    const dead = await deliveryOf(api, 'status=dead', () => true);
    expect(dead).toMatchObject({ runId, subscriptionId: subscription.id, attemptCount: 2, nextAttemptAt: null, lastError: { code: 'http_status', message: expect.stringContaining('503') } });
    expect((await api.call<Page>('GET', '/v1/webhooks/dead-letters')).body.deliveries).toEqual([dead]);
    const { body: detail } = await api.call<Detail>('GET', `${DELIVERIES}/${dead.id}`);
    expect(detail).toMatchObject({ ...dead, payload: { runId }, attempts: [{ number: 1, status: 503, errorCode: 'http_status', responseBody: expect.any(String), traceId: dead.traceId }, { number: 2 }] });
    expect((await api.get(runId)).body).toMatchObject({ traceId: dead.traceId });
    expect((await api.call('POST', '/v1/webhooks/redeliver', { body: { filter: { status: 'dead', runId }, dryRun: true } }))).toMatchObject({ status: 200, body: { count: 1 } });
    expect((await api.call('POST', `${DELIVERIES}/${dead.id}/redeliver`))).toMatchObject({ status: 202, body: { id: dead.id, status: 'pending' } });
    await arrived(3);
    expect(new Set(arrivals().map(({ deliveryId, body }) => `${deliveryId} ${body}`)).size).toBe(1);
    await deliveryOf(api, `runId=${runId}`, ({ status }) => status === 'delivered');
    expect(await api.call('POST', '/v1/webhooks/redeliver', { body: { filter: { status: 'delivered', runId } } })).toMatchObject({ status: 202, body: { count: 1 } });
    await arrived(4);
  });

  test('are disabled by an endpoint that is gone, which the others hear of', async () => {
    const { api, subscription, arrived, run, path } = await subscribed({}, '?status=410');
    await api.call('POST', SUBSCRIPTIONS, { body: { callbackUrl: `${on.endpoint.url}${path}/other`, eventTypes: ['job.canceled'] } });
    await run();
    const notice = (await arrived(2)).find((one) => one.path.endsWith('/other'));
    expect([notice?.headers['x-webhook-event'], JSON.parse(notice?.body ?? '')]).toMatchObject(['webhook.endpoint_disabled', { subscription: { id: subscription.id, disabledReason: 'gone' } }]);
    expect((await api.call<Subscription>('GET', `${SUBSCRIPTIONS}/${subscription.id}`)).body).toMatchObject({ enabled: false, disabledReason: 'gone' });
    expect((await api.call<Subscription>('PATCH', `${SUBSCRIPTIONS}/${subscription.id}`, { body: { enabled: true } })).body).toMatchObject({ enabled: true, disabledReason: null });
  });

  test('and any address can be tried', async () => {
    const { api, subscription, arrived, path } = await subscribed();
    const tried = await api.call<{ deliveryId: string }>('POST', `${SUBSCRIPTIONS}/${subscription.id}/test`);
    expect(tried).toMatchObject({ status: 202, body: { status: 'queued', callbackUrl: subscription.callbackUrl, payload: { kind: 'test', orgId: subscription.orgId } } });
    const canary = await api.call<{ deliveryId: string }>('POST', '/v1/webhooks/canary', { body: { callbackUrl: `${on.endpoint.url}${path}/canary` } });
    expect(canary).toMatchObject({ status: 202, body: { status: 'queued', payload: { kind: 'canary' } } });
    expect((await arrived(2)).map(({ deliveryId }) => deliveryId).sort()).toEqual([tried.body.deliveryId, canary.body.deliveryId].sort());
    await deliveryOf(api, '', ({ id, runId, status }) => id === canary.body.deliveryId && runId === null && status === 'delivered');
  });

  test('are made once under an idempotency key; the reply carries the secret again', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const body = { callbackUrl: `${on.endpoint.url}/never`, eventTypes: ['job.completed'], secret: 'a secret of ours' };
    const [one, two] = [await on.api.call('POST', SUBSCRIPTIONS, { body, headers }), await on.api.call('POST', SUBSCRIPTIONS, { body, headers })];
    expect([one.status, two.status, two.body, two.headers.get('idempotency-replayed')]).toEqual([201, 201, one.body, 'true']);
    expect(one.body).toMatchObject({ secret: 'a secret of ours', eventTypes: ['job.completed'] });
    const other = await on.api.call<ApiError>('POST', SUBSCRIPTIONS, { body: { ...body, secret: null }, headers });
    expect([other.status, other.body.error.code]).toEqual([409, 'conflict']);
    expect((await on.api.call('DELETE', `${SUBSCRIPTIONS}/${(one.body as Subscription).id}`)).status).toBe(204);
  });

  test.each([
    ['a private address', { callbackUrl: 'http://10.0.0.1/' }, 'callbackUrl'],
    ['credentials in the address', { callbackUrl: 'https://user:secret@example.com/' }, 'callbackUrl'],
    ['no event', { eventTypes: [] }, 'eventTypes'],
    ['an event that there is not', { eventTypes: ['job.started'] }, 'eventTypes'],
    ['a short secret', { secret: 'short' }, 'secret'],
    ['a header of ours', { headers: { 'X-Webhook-Signature': 'forged' } }, 'headers'],
    ['a header that breaks the connection', { headers: { 'Transfer-Encoding': 'chunked' } }, 'headers'],
  ])('are refused with %s', async (_, more, field) => {
    const reply = await on.api.call<ApiError>('POST', SUBSCRIPTIONS, { body: { callbackUrl: `${on.endpoint.url}/never`, eventTypes: ['job.failed'], ...more } });
    expect([reply.status, reply.body.error.code, reply.body.error.message]).toEqual([400, 'invalid_request', expect.stringContaining(field)]);
  });

  test('and their deliveries are there for their own organisation alone, and for keys that may', async () => {
    const { api, subscription, arrived } = await subscribed();
    const { body: { deliveryId } } = await api.call<{ deliveryId: string }>('POST', `${SUBSCRIPTIONS}/${subscription.id}/test`);
    await arrived(1);
    const reader = await on.newTenant({ scopes: ['runs:read'] });
    for (const [method, path, body] of [
      ['GET', `${SUBSCRIPTIONS}/${subscription.id}`], ['PATCH', `${SUBSCRIPTIONS}/${subscription.id}`, {}], ['DELETE', `${SUBSCRIPTIONS}/${subscription.id}`], ['POST', `${SUBSCRIPTIONS}/${subscription.id}/test`],
      ['POST', `${SUBSCRIPTIONS}/${subscription.id}/rotate-secret`, {}], ['GET', `${DELIVERIES}/${deliveryId}`], ['POST', `${DELIVERIES}/${deliveryId}/redeliver`],
    ] as const) {
      expect([method, path, (await stranger.call(method, path, { body })).status]).toEqual([method, path, 404]);
      expect((await reader.call(method, path, { body })).status).toBe(method === 'GET' ? 404 : 403);
    }
    expect((await stranger.call<Page>('GET', DELIVERIES)).body).toEqual({ deliveries: [], nextCursor: null });
    expect((await fetch(`${on.api.base}${SUBSCRIPTIONS}`)).status).toBe(401);
  });
});
