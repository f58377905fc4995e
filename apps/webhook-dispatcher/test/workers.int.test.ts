import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { statement } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { type ClaimedDelivery, DeliveryStore } from '../src/delivery.store.ts';
import { callbackDelivery, finishedRun } from './dispatcher.ts';
import { Stage } from './stage.ts';

const stage = new Stage();

describe('a worker', () => {
  test('that is killed in the middle of an attempt loses nothing: another makes it, under the same id', async () => {
    const worker = spawn(process.execPath, [fileURLToPath(new URL('dying-dispatcher.ts', import.meta.url)), stage.databaseUrl], { stdio: ['ignore', 'inherit', 'inherit'] });
    const exited = once(worker, 'exit');
    const store = new DeliveryStore(stage.db);
    await store.insert(callbackDelivery(finishedRun(stage.hook('/killed?hang=1'))));
    try {
      await waitFor(() => stage.arrivals('/killed').length === 1, { timeoutMs: 20_000 });
    } finally {
      worker.kill('SIGKILL');
      await exited;
    }
    expect(await stage.deliveries()).toMatchObject([{ status: 'pending', held: true, attempts: 1, attemptCount: 0 }]);
    await stage.start();
    const [delivery] = await stage.all('delivered', 1);
    expect(stage.arrivals('/killed').map((request) => request.deliveryId)).toEqual([delivery?.id, delivery?.id]);
    expect(await stage.attemptsOf(delivery?.id)).toMatchObject([{ number: 1, status: 200 }]);
  }, 60_000);

  test('that lost its lease writes nothing', async () => {
    const dispatcher = await stage.start({ WEBHOOK_TIMEOUT_MS: '20000' });
    await dispatcher.publish(finishedRun(stage.hook('/stale?hang=1')));
    const held = await waitFor(async () => (await stage.deliveries()).find((row) => row.held));
    const verdict = { status: 'dead', delayMs: 0, errorCode: 'timeout', errorMessage: 'late' } as const;
    const outcome = { status: null, errorCode: 'timeout', errorMessage: 'late', durationMs: 1, requestHeaders: {}, responseHeaders: {}, responseBody: '', retryAfterMs: null } as const;
    const stale = { id: held.id, epoch: held.epoch - 1, attemptCount: 0 } as ClaimedDelivery;
    const { isOurs } = await new DeliveryStore(stage.db).commit({ delivery: stale, verdict, attempt: { startedAt: new Date(), outcome } });
    expect(isOurs).toBe(false);
    expect(await stage.deliveries()).toMatchObject([{ status: 'pending', held: true, attemptCount: 0 }]);
    expect(await stage.attemptsOf(held.id)).toEqual([]);
  });

  test('records an attempt once, though its commit is repeated', async () => {
    const dispatcher = await stage.start({ WEBHOOK_TIMEOUT_MS: '20000' });
    await dispatcher.publish(finishedRun(stage.hook('/repeat?hang=1')));
    const held = await waitFor(async () => (await stage.deliveries()).find((row) => row.held));
    const ending = {
      delivery: { id: held.id, epoch: held.epoch, attemptCount: 0 } as ClaimedDelivery,
      verdict: { status: 'pending', delayMs: 60_000, errorCode: 'timeout', errorMessage: 'late' } as const,
      attempt: { startedAt: new Date(), outcome: { status: null, errorCode: 'timeout', errorMessage: 'late', durationMs: 1, requestHeaders: {}, responseHeaders: {}, responseBody: '', retryAfterMs: null } as const },
    };
    const store = new DeliveryStore(stage.db);
    expect((await store.commit(ending)).isOurs).toBe(true);
    expect((await store.commit(ending)).isOurs).toBe(false);
    expect(await stage.attemptsOf(held.id)).toHaveLength(1);
    expect(await stage.deliveries()).toMatchObject([{ attemptCount: 1 }]);
  });

  test('that is stopped hands its attempt back, and the next one makes it', async () => {
    const dispatcher = await stage.start({ WEBHOOK_TIMEOUT_MS: '20000' });
    await dispatcher.publish(finishedRun(stage.hook('/handed?hang=1')));
    await waitFor(() => stage.arrivals('/handed').length === 1);
    await dispatcher.stop(100);
    expect(await stage.deliveries()).toMatchObject([{ status: 'pending', held: false, attempts: 0, attemptCount: 0 }]);
    await stage.start();
    const [delivery] = await stage.all('delivered', 1);
    expect(stage.arrivals('/handed').map((request) => request.deliveryId)).toEqual([delivery?.id, delivery?.id]);
  });

  test('that is stopped in time finishes what it has begun', async () => {
    const dispatcher = await stage.start();
    await dispatcher.publish(finishedRun(stage.hook('/slow?ms=300')));
    await waitFor(() => stage.arrivals('/slow').length === 1);
    await dispatcher.stop(5000);
    expect(await stage.deliveries()).toMatchObject([{ status: 'delivered', attemptCount: 1 }]);
  });

  test('does not try what has cost five workers', async () => {
    const dispatcher = await stage.start({ WEBHOOK_TIMEOUT_MS: '20000' });
    await dispatcher.publish(finishedRun(stage.hook('/poison?hang=9')));
    await waitFor(() => stage.arrivals('/poison').length === 1);
    await dispatcher.stop(0);
    await stage.db.query(statement('test.poison', 'update webhooks.deliveries set attempts = 5'));
    await stage.start();
    expect(await stage.all('dead', 1)).toMatchObject([{ errorCode: 'worker_lost', attemptCount: 0 }]);
    expect(stage.arrivals('/poison')).toHaveLength(1);
  });
});
