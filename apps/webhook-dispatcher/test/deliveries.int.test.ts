import { describe, expect, test } from '@jest/globals';
import type { RunFinished } from '@nightshift/contracts';
import { statement } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { DeliveryStore } from '../src/delivery.store.ts';
import { type Answer, callbackDelivery, finishedRun } from './dispatcher.ts';
import { Stage } from './stage.ts';

const stage = new Stage();

describe('a run that has ended', () => {
  test('is told to its callback, once, with the delivery as it is recorded', async () => {
    const dispatcher = await stage.start();
    const run = finishedRun(stage.hook('/once?token=t'));
    await dispatcher.publish(run);
    const [delivery] = await stage.all('delivered', 1);
    const [request, ...more] = stage.arrivals('/once');
    expect(more).toEqual([]);
    expect(request).toMatchObject({ method: 'POST', query: { token: 't' }, deliveryId: delivery?.id, headers: { 'x-webhook-event': 'job.succeeded' } });
    expect(request?.headers['traceparent']).toContain('11111111111111111111111111111111');
    expect(JSON.parse(request?.body ?? '')).toMatchObject({ runId: run.runId, status: 'succeeded', result: { answer: 'yes' } });
    expect(delivery).toMatchObject({ runId: run.runId, attemptCount: 1, errorCode: null, held: false });
    expect(await stage.attemptsOf(delivery?.id)).toEqual([{ number: 1, status: 200, errorCode: null, responseBody: '{}' }]);
  });

  test('is told at once, not at the next poll', async () => {
    const dispatcher = await stage.start();
    await dispatcher.publish(finishedRun(stage.hook('/warm')));
    await stage.all('delivered', 1);
    const delays: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const startedAt = Date.now();
      await dispatcher.publish(finishedRun(stage.hook(`/quick${i}`)));
      const request = await waitFor(() => stage.arrivals(`/quick${i}`)[0]);
      delays.push(request.atMs - startedAt);
    }
    expect(Math.min(...delays)).toBeLessThan(200);
  });

  test('without a callback is told to nobody', async () => {
    const dispatcher = await stage.start();
    await dispatcher.publish(finishedRun(undefined), finishedRun(stage.hook('/marker')));
    await stage.all('delivered', 1);
    expect(stage.arrivals('/')).toHaveLength(1);
  });

  test('that is announced again and again is told once', async () => {
    const dispatcher = await stage.start();
    const run = finishedRun(stage.hook('/again'));
    await dispatcher.publish(run, run, run);
    await dispatcher.publish(run);
    await stage.all('delivered', 1);
    await dispatcher.publish(run, finishedRun(stage.hook('/marker')));
    await stage.all('delivered', 2);
    expect(stage.arrivals('/again')).toHaveLength(1);
  });

  test('is told once by two dispatchers that hear of it at the same time', async () => {
    const [one, two] = await Promise.all([stage.start(), stage.start()]);
    const runs = Array.from({ length: 50 }, () => finishedRun(stage.hook('/two')));
    await Promise.all([one.publish(...runs), two.publish(...runs.toReversed())]);
    const rows = await stage.all('delivered', 50);
    expect(stage.arrivals('/two').map((request) => request.deliveryId).sort()).toEqual(rows.map((row) => row.id).sort());
  });

  test('with a body too large to travel is told whole', async () => {
    const run = finishedRun(stage.hook('/large'), { body: undefined });
    const answer = 'x'.repeat(200_000);
    const dispatcher = await stage.start({}, (path) => ({ body: path.endsWith('/finished') ? { events: [{ ...run, body: { result: { answer }, error: null, metadata: null } }] } : { events: [], nextCursor: null } }));
    await dispatcher.publish(run);
    await stage.all('delivered', 1);
    expect(JSON.parse(stage.arrivals('/large')[0]?.body ?? '')).toMatchObject({ result: { answer } });
  });

  test('waits for its body for as long as runs is away', async () => {
    const run = finishedRun(stage.hook('/away'), { body: undefined });
    let failures = 5;
    const dispatcher = await stage.start({}, (path) => {
      if (!path.endsWith('/finished')) return { body: { events: [], nextCursor: null } };
      return failures-- > 0 ? { status: 503, body: { error: { code: 'service_unavailable', message: 'starting' } } } : { body: { events: [{ ...run, body: finishedRun(undefined).body }] } };
    });
    await dispatcher.publish(run);
    await stage.all('delivered', 1);
    expect(await stage.db.query(statement('test.no_letters', 'select 1 from webhooks.dead_letters'))).toEqual([]);
  });

  test('that nobody can say more of becomes a dead letter, and the others are told', async () => {
    const lost = finishedRun(stage.hook('/lost'), { body: undefined });
    const dispatcher = await stage.start({}, () => ({ body: { events: [], nextCursor: null } }));
    await dispatcher.publish(lost, finishedRun(stage.hook('/other')));
    await stage.all('delivered', 1);
    const letters = await stage.db.query<{ key: string; error: string }>(statement('test.letters', 'select key, error from webhooks.dead_letters'));
    expect(letters).toEqual([{ key: lost.runId, error: expect.stringContaining(lost.runId) }]);
  });

  test('may reach what its organisation may reach, and nothing else', async () => {
    const dispatcher = await stage.start({ EGRESS_ALLOW: '', WEBHOOK_RETRY_SECONDS: '60' });
    await dispatcher.publish(finishedRun(stage.hook('/allowed'), { egressAllow: ['127.0.0.0/8'] }), finishedRun(stage.hook('/blocked')));
    await waitFor(async () => (await stage.deliveries()).every((row) => row.attemptCount === 1));
    expect((await stage.deliveries()).map((row) => [row.status, row.errorCode]).sort()).toEqual([['delivered', null], ['pending', 'address_blocked']]);
    expect(stage.arrivals('/').map((request) => request.path)).toEqual(['/allowed']);
  });
});

describe('what was announced while nobody listened', () => {
  test('is asked for at the start, in pages, until runs answers, and known deliveries stay as they are', async () => {
    const known = finishedRun(stage.hook('/known'));
    const first = await stage.start();
    await first.publish(known);
    await stage.all('delivered', 1);
    await first.stop();
    const missed = [finishedRun(stage.hook('/missed'), { status: 'canceled' }), finishedRun(stage.hook('/missed'), { body: undefined }), finishedRun(undefined)];
    const large = { ...known, body: undefined };
    const pages: Record<string, unknown> = { '': { events: [large, missed[0]], nextCursor: 'next' }, next: { events: [missed[1], missed[2]], nextCursor: null } };
    let failures = 1;
    const fetched: string[][] = [];
    const runs: Answer = (path, query, body) => {
      if (path.endsWith('/finished')) fetched.push((body as { runIds: string[] }).runIds);
      if (path.endsWith('/finished')) return { body: { events: (body as { runIds: string[] }).runIds.map((runId) => ({ ...finishedRun(stage.hook('/missed')), runId })) } };
      if (failures-- > 0) return { status: 503, body: { error: { code: 'service_unavailable', message: 'starting' } } };
      expect(query.get('sinceMs')).toBe('3600000');
      return { body: pages[query.get('cursor') ?? ''] };
    };
    await stage.start({}, runs);
    await stage.all('delivered', 3);
    expect(stage.arrivals('/known')).toHaveLength(1);
    expect(stage.arrivals('/missed')).toHaveLength(2);
    expect(fetched).toEqual([[missed[1]?.runId]]);
  });
});

test('what passed unseen while the bus had lost its place is asked for again', async () => {
  const missed: RunFinished[] = [];
  const dispatcher = await stage.start({}, () => ({ body: { events: missed, nextCursor: null } }));
  await waitFor(() => dispatcher.asked.length === 1);
  missed.push(finishedRun(stage.hook('/gap')));
  dispatcher.gap();
  await stage.all('delivered', 1);
  expect(dispatcher.asked.length).toBeGreaterThanOrEqual(2);
});

test('deliveries that ended long ago are deleted with their attempts, and no others', async () => {
  const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '600' });
  await dispatcher.publish(finishedRun(stage.hook('/old')), finishedRun(stage.hook('/pending?status=500')), finishedRun(stage.hook('/young')));
  await waitFor(async () => (await stage.deliveries()).filter((row) => row.attemptCount === 1).length === 3);
  await dispatcher.stop();
  const age = statement('test.age', `update webhooks.deliveries set created_at = now() - interval '31 days' where url not like '%/young'`);
  await stage.db.query(age);
  const store = new DeliveryStore(stage.db);
  expect(await store.forget(30, 10)).toBe(1);
  expect((await stage.deliveries()).map((row) => row.status).sort()).toEqual(['delivered', 'pending']);
  const left = await stage.db.query<{ id: string }>(statement('test.left', 'select delivery_id as id from webhooks.attempts'));
  expect(left).toHaveLength(2);
});

test('a delivery id belongs to one run and target for good', async () => {
  const store = new DeliveryStore(stage.db);
  const run = finishedRun(stage.hook('/id'));
  const again = () => callbackDelivery(run);
  expect(await Promise.all([store.insert(again()), store.insert(again())])).toEqual([true, false]);
  const [before] = await stage.deliveries();
  expect(await store.insert(again())).toBe(false);
  expect((await stage.deliveries()).map((row) => row.id)).toEqual([before?.id]);
});
