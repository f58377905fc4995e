import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import { finishedRun } from './dispatcher.ts';
import { Stage } from './stage.ts';

const stage = new Stage();

describe('an endpoint that fails', () => {
  test('gets the same bytes under the same id again, and every attempt is recorded', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0.1,0.1,0.1' });
    await dispatcher.publish(finishedRun(stage.hook('/flaky?fail=2&status=503')));
    const [delivery] = await stage.all('delivered', 1);
    const requests = stage.arrivals('/flaky');
    expect(new Set(requests.map((request) => `${request.deliveryId} ${request.body}`)).size).toBe(1);
    expect(requests).toHaveLength(3);
    expect(await stage.attemptsOf(delivery?.id)).toMatchObject([
      { number: 1, status: 503, errorCode: 'http_status', responseBody: '{"error":"as the path says"}' },
      { number: 2, status: 503, errorCode: 'http_status' },
      { number: 3, status: 200, errorCode: null },
    ]);
    expect(delivery).toMatchObject({ attemptCount: 3, errorCode: null });
  });

  test('is tried again when that is due, not at a poll', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0.05,0.05' });
    const spans: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      await dispatcher.publish(finishedRun(stage.hook(`/due${i}?fail=2`)));
      await stage.all('delivered', i + 1);
      const times = stage.arrivals(`/due${i}`).map((request) => request.atMs);
      spans.push((times[2] ?? Number.NaN) - (times[0] ?? Number.NaN));
    }
    // The polls of a worker lie a second apart.
    expect(Math.min(...spans)).toBeLessThan(950);
  });

  test('is given up after the last retry, and never tried again', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '0.05,0.05' });
    await dispatcher.publish(finishedRun(stage.hook('/dead?status=500')), finishedRun(stage.hook('/cut?cut=99')));
    const rows = await stage.all('dead', 2);
    expect(rows.map((row) => [row.attemptCount, row.errorCode, row.inMs])).toEqual([[3, expect.any(String), null], [3, expect.any(String), null]]);
    expect(rows.map((row) => row.errorCode).sort()).toEqual(['connection_reset', 'http_status']);
    expect(stage.arrivals('/dead')).toHaveLength(3);
    expect(stage.arrivals('/cut')).toHaveLength(3);
  });

  test('is left alone for as long as it asks', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '1,1' });
    await dispatcher.publish(finishedRun(stage.hook('/later?fail=1&status=429&retryAfter=3600')));
    await waitFor(async () => (await stage.deliveries())[0]?.attemptCount === 1);
    const [row] = await stage.deliveries();
    expect(row).toMatchObject({ status: 'pending', held: false, errorCode: 'http_status' });
    expect(row?.inMs).toBeGreaterThan(3_590_000);
    expect(row?.inMs).toBeLessThanOrEqual(3_600_000);
  });

  test('that hangs delays nobody else', async () => {
    const dispatcher = await stage.start({ ENDPOINT_CONCURRENCY: '3', DELIVERY_SLOTS: '6', WEBHOOK_TIMEOUT_MS: '20000' });
    await dispatcher.publish(...Array.from({ length: 60 }, () => finishedRun(stage.hook('/hangs?hang=99'))));
    await waitFor(() => stage.arrivals('/hangs').length === 3);
    await dispatcher.publish(...Array.from({ length: 20 }, () => finishedRun(stage.hook('/quick'))));
    await waitFor(() => stage.arrivals('/quick').length === 20, { timeoutMs: 3000 });
    expect(stage.arrivals('/hangs')).toHaveLength(3);
  });

  test('is never sent more at a time than it may get, and does not wait for polls', async () => {
    let open = 0;
    let most = 0;
    let total = 0;
    const server = createServer((request, response) => {
      request.resume();
      open += 1;
      total += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end();
      }, 20);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const dispatcher = await stage.start({ ENDPOINT_CONCURRENCY: '5' });
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
      const startedAt = performance.now();
      await dispatcher.publish(...Array.from({ length: 100 }, () => finishedRun(url)));
      await stage.all('delivered', 100);
      expect(performance.now() - startedAt).toBeLessThan(15_000);
      expect(total).toBe(100);
      expect(most).toBe(5);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('gets no more from a second dispatcher than the first has left it', async () => {
    const limits = { ENDPOINT_CONCURRENCY: '3', WEBHOOK_TIMEOUT_MS: '20000' };
    const first = await stage.start(limits);
    await first.publish(...Array.from({ length: 3 }, () => finishedRun(stage.hook('/full?hang=99'))));
    await waitFor(() => stage.arrivals('/full').length === 3);
    await first.publish(finishedRun(stage.hook('/full?hang=99')));
    const second = await stage.start(limits);
    await second.publish(...Array.from({ length: 10 }, () => finishedRun(stage.hook('/full?hang=99'))));
    await second.publish(finishedRun(stage.hook('/marker')));
    await waitFor(() => stage.arrivals('/marker').length === 1);
    expect(stage.arrivals('/full')).toHaveLength(3);
  });
});
