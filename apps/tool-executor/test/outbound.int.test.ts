import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createEgress, type EgressOptions } from '@nightshift/http';
import { type FakeEndpoint, startFakeEndpoint } from '@nightshift/testing';
import { Outbound, type OutboundCall, type Sent } from '../src/outbound.client.ts';

let fake: FakeEndpoint;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  fake = await startFakeEndpoint();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  fake.reset();
});
afterAll(() => fake.close());

function outboundWith(nowMs?: () => number, options: Partial<EgressOptions> = {}): Outbound {
  const egress = createEgress({ allow: ['127.0.0.0/8'], ...options });
  cleanups.push(() => egress.close());
  return new Outbound(egress, nowMs);
}

const callOf = (url: string, more: Partial<OutboundCall> = {}): OutboundCall => ({
  lane: 'org_1 host', retry: 'safe', timeoutMs: 10_000,
  requestOf: (tries) => ({ method: 'POST', url, body: '{}', headers: { 'idempotency-key': 'call_1', 'x-attempt': String(tries) }, responseBytesMax: 1000 }),
  ...more,
});
const statusOf = ({ reply, error }: Sent) => reply?.status ?? error?.code;
const attempts = () => fake.requests().map(({ idempotencyKey, headers }) => [idempotencyKey, headers['x-attempt']]);

/** A port that nobody listens on until `open`, and the connections it takes from then on. */
async function closedPort() {
  const server = createServer((_req, res) => void res.end('{}'));
  let connections = 0;
  server.on('connection', () => (connections += 1));
  const listen = (port: number) => new Promise<number>((resolve) => server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
  const close = () => new Promise<unknown>((resolve) => void server.close(resolve).closeAllConnections());
  const port = await listen(0);
  await close();
  cleanups.push(close);
  return { url: `http://127.0.0.1:${port}/`, port, open: () => listen(port), connections: () => connections };
}

describe('a call', () => {
  test.each(['429', '503'])('that is answered with %s is made again under its key, with the next attempt’s number', async (status) => {
    expect(statusOf(await outboundWith().send(callOf(`${fake.url}/tool/echo?fail=2&status=${status}&retryAfter=0`)))).toBe(200);
    expect(attempts()).toEqual([['call_1', '1'], ['call_1', '2'], ['call_1', '3']]);
  });

  test('that is never answered with anything else is told of it after the last try', async () => {
    expect(statusOf(await outboundWith().send(callOf(`${fake.url}/tool/echo?fail=99&status=503`)))).toBe(503);
    expect(attempts()).toHaveLength(4);
  });

  test('that is to wait for longer than it may take is not made again', async () => {
    expect(statusOf(await outboundWith().send(callOf(`${fake.url}/tool/echo?fail=1&status=429&retryAfter=60`)))).toBe(429);
    expect(attempts()).toHaveLength(1);
  });

  test.each([['500', '?fail=1'], ['connection_reset', '?cut=1']])('that may have taken effect (%s) is not made again', async (told, query) => {
    expect(String(statusOf(await outboundWith().send(callOf(`${fake.url}/tool/echo${query}`))))).toBe(told);
    expect(attempts()).toHaveLength(1);
  });

  test('that must not be repeated is made once when its tool is busy', async () => {
    expect(statusOf(await outboundWith().send(callOf(`${fake.url}/tool/echo?fail=1&status=503`, { retry: 'never' })))).toBe(503);
    expect(attempts()).toHaveLength(1);
  });

  test.each(['safe', 'never'] as const)('whose host takes no connection is made when it does, once (%s)', async (retry) => {
    const late = await closedPort();
    let asked = 0;
    const lookup = async () => {
      if ((asked += 1) === 2) await late.open();
      return ['127.0.0.1'];
    };
    expect(statusOf(await outboundWith(undefined, { addressTtlMs: 0, lookup }).send(callOf(`http://late.example:${late.port}/`, { retry })))).toBe(200);
    expect([asked, late.connections()]).toEqual([2, 1]);
  });

  test('that is given up while it waits for its next try ends', async () => {
    const controller = new AbortController();
    const sent = outboundWith().send(callOf(`${fake.url}/tool/echo?fail=1&status=429&retryAfter=5`, { signal: controller.signal, requestOf: (tries) => {
      queueMicrotask(() => setTimeout(() => controller.abort(), 50));
      return callOf(`${fake.url}/tool/echo?fail=1&status=429&retryAfter=5`).requestOf(tries);
    } }));
    await expect(sent).rejects.toMatchObject({ name: 'EgressError', code: 'aborted' });
    expect(attempts()).toHaveLength(1);
  });
});

describe('a host that cannot be connected to', () => {
  test('five times in a row is not connected to for a while, by its own organisation; then one call finds out', async () => {
    const host = await closedPort();
    let now = 0;
    const outbound = outboundWith(() => now);
    const once = (lane = 'org_1 host', timeoutMs = 10_000) => outbound.send(callOf(host.url, { lane, timeoutMs }));
    for (let at = 0; at < 5; at += 1) expect(statusOf(await once('org_1 host', 150))).toBe('connection_refused');
    await host.open();
    const heldOff = await Promise.all(Array.from({ length: 20 }, () => once()));
    expect(new Set(heldOff.map(statusOf))).toEqual(new Set(['host_unreachable']));
    expect(heldOff[0]!.error?.message).toBe(`127.0.0.1:${host.port} could not be connected to 5 times in a row, so this call was not made; calls of this host are made again in 5 s`);
    expect(host.connections()).toBe(0);
    expect(statusOf(await once('org_2 host'))).toBe(200);
    now = 5000;
    const back = await Promise.all([once(), once()]);
    expect(back.map(statusOf).toSorted()).toEqual([200, 'host_unreachable']);
    expect(statusOf(await once())).toBe(200);
  });

  test('because it does not take connections in time counts as well', async () => {
    let now = 0;
    // TEST-NET-1 is routed nowhere; where a network refuses it at once, that is a failure to connect too.
    const outbound = outboundWith(() => now, { allow: ['192.0.2.1/32'] });
    const once = () => outbound.send(callOf('http://192.0.2.1/', { timeoutMs: 60 }));
    for (let at = 0; at < 5; at += 1) expect(['timeout', 'connection_refused']).toContain(statusOf(await once()));
    expect(statusOf(await once())).toBe('host_unreachable');
    now = 5000;
    expect(statusOf(await once())).not.toBe('host_unreachable');
  });

  test('is another thing than one that answers badly, or not at all', async () => {
    const outbound = outboundWith();
    for (const path of ['echo?cut=9', 'status/500', 'echo?cut=9', 'status/404', 'echo?cut=9', 'echo?cut=9', 'echo?cut=9']) await outbound.send(callOf(`${fake.url}/tool/${path}`));
    for (let at = 0; at < 6; at += 1) expect(statusOf(await outbound.send(callOf(`${fake.url}/tool/echo?hang=99`, { timeoutMs: 300 })))).toBe('timeout');
    expect(statusOf(await outbound.send(callOf(`${fake.url}/tool/status/204`)))).toBe(204);
  });
});
