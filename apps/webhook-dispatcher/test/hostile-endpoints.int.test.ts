import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import type { DeliveryDetail } from '@nightshift/contracts';
import { waitFor } from '@nightshift/testing';
import { finishedRun } from './dispatcher.ts';
import { EXPIRED } from './expired-certificate.ts';
import { startReceiver } from './receiver.ts';
import { Stage } from './stage.ts';

const stage = new Stage();

/** The deliveries of runs with these callbacks after one attempt each, with their attempts. */
async function tried(urls: readonly string[], environment: Record<string, string> = {}): Promise<DeliveryDetail[]> {
  const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '3600', ...environment });
  await dispatcher.publish(...urls.map((url) => finishedRun(url)));
  const rows = await waitFor(async () => {
    const all = await stage.deliveries();
    return all.length === urls.length && all.every(({ held, attemptCount }) => !held && attemptCount === 1) && all;
  }, { timeoutMs: 20_000 });
  return Promise.all(rows.map(async ({ id }) => (await dispatcher.call<DeliveryDetail>('GET', `/internal/webhooks/deliveries/${id}?orgId=org_1`)).body));
}

describe('an endpoint', () => {
  test.each<[string, string, Record<string, string>]>([
    ['that answers after the time is up', '/hook?ms=800', { WEBHOOK_TIMEOUT_MS: '200' }],
    ['that never answers', '/hook?hang=9', { WEBHOOK_TIMEOUT_MS: '200' }],
  ])('%s: timeout', async (_, path, environment) => {
    expect(await tried([stage.hook(path)], environment)).toMatchObject([{ status: 'pending', lastError: { code: 'timeout' }, attempts: [{ number: 1, status: null, errorCode: 'timeout', responseHeaders: {}, responseBody: '' }] }]);
  });

  test('whose name there is not, that refuses, that resets, or that is private: each has its own code', async () => {
    const found = await tried(['http://absent.invalid/', 'http://127.0.0.1:9/', stage.hook('/cut?cut=9'), 'http://10.0.0.1/', 'http://169.254.169.254/latest/meta-data', 'http://[::ffff:10.0.0.1]/']);
    const codes = Object.fromEntries(found.map(({ endpoint, attempts }) => [endpoint, attempts[0]?.errorCode]));
    expect(codes).toEqual({
      'http://absent.invalid/': 'dns_error', 'http://127.0.0.1:9/': 'connection_refused', [stage.hook('/cut')]: 'connection_reset',
      'http://10.0.0.1/': 'address_blocked', 'http://169.254.169.254/latest/meta-data': 'address_blocked', 'http://[::ffff:a00:1]/': 'address_blocked',
    });
  });

  test('whose certificate has expired: tls_error, and nothing is sent', async () => {
    let requests = 0;
    const server = createServer(EXPIRED, (_, response) => {
      requests += 1;
      response.end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      expect(await tried([`https://127.0.0.1:${(server.address() as AddressInfo).port}/hook`])).toMatchObject([{ lastError: { code: 'tls_error', message: expect.stringContaining('127.0.0.1') }, attempts: [{ errorCode: 'tls_error', status: null }] }]);
      expect(requests).toBe(0);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test('that redirects to a private address: redirect, which nobody follows', async () => {
    const receiver = await startReceiver(() => ({ status: 301, headers: { location: 'http://169.254.169.254/latest/meta-data' } }));
    try {
      expect(await tried([receiver.url])).toMatchObject([{ lastError: { code: 'redirect' }, attempts: [{ status: 301, errorCode: 'redirect', responseHeaders: { location: 'http://169.254.169.254/latest/meta-data' } }] }]);
      expect(receiver.bodies).toHaveLength(1);
    } finally {
      receiver.close();
    }
  });

  test('that answers 200 with 10 MB has heard it; the first 4 KB are kept', async () => {
    const [delivery] = await tried([stage.hook(`/tool/big?bytes=${10 * 1024 * 1024}`)]);
    expect(delivery).toMatchObject({ status: 'delivered', lastError: null, attempts: [{ status: 200, errorCode: null }] });
    expect(delivery?.attempts[0]?.responseBody).toMatch(/^\{"page":"x{4087}$/);
  });
});
