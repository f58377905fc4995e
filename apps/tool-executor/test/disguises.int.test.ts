import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createEgress, type Egress, type Lookup } from '@nightshift/http';
import { callFunction, type FunctionCall } from '../src/function.tool.ts';
import { Outbound } from '../src/outbound.client.ts';
import { disguises } from './disguises.ts';

/** The address at which clouds hand out credentials, and one of this machine that can count its connections. */
const metadata = disguises(169, 254, 169, 254);
const loopback = disguises(127, 0, 0, 1);
const everything = [...metadata.direct, ...metadata.translated];

let requests: IncomingMessage[] = [];
let connections = 0;
/** Connections that this process has begun to make, to wherever. */
let sockets = 0;
/** A connection is counted once for each of the channels that tell of it. */
let countsPerSocket = 0;
let answer: { status: number; location: string } | undefined;
let egress: Egress | undefined;
const server = createServer((req, res) => {
  requests.push(req);
  if (answer) res.writeHead(answer.status, { location: answer.location });
  res.end('{}');
});
const onSocket = () => void (sockets += 1);

beforeAll(async () => {
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  subscribe('net.client.socket', onSocket);
  subscribe('undici:client:beforeConnect', onSocket);
  await call(`http://127.0.0.1:${port()}/`, { allow: ['127.0.0.1/32'] });
  await egress?.close();
  countsPerSocket = sockets;
  expect([countsPerSocket > 0, connections]).toEqual([true, 1]);
});
beforeEach(() => {
  [requests, connections, sockets, answer] = [[], 0, 0, undefined];
});
afterEach(() => egress?.close());
afterAll(async () => {
  unsubscribe('net.client.socket', onSocket);
  unsubscribe('undici:client:beforeConnect', onSocket);
  await new Promise((resolve) => void server.close(resolve).closeAllConnections());
});

const port = () => (server.address() as AddressInfo).port;
const noNames: Lookup = async (name) => {
  throw new Error(`asked for ${name}`);
};

function call(url: string, { allow = [] as string[], lookup = noNames, method = 'POST' as 'POST' | 'GET' } = {}) {
  egress = createEgress({ allow, lookup });
  const tool: FunctionCall['tool'] = { name: 'fetch', url, method, timeoutMs: 5000, retry: 'safe', headers: { 'x-secret': 'canary' } };
  return callFunction(new Outbound(egress), { tool, arguments: { q: 1 }, callId: 'call_1', orgId: 'org_1', lane: 'org_1 x', attempt: 1 });
}

describe('a call to the metadata address', () => {
  test.each(everything)('as %s (%s) is an error for the model, and no connection is made', async (_, host) => {
    for (const url of [`http://${host}/latest/meta-data`, `https://${host}:8443/`, `http:\\\\${host}\\latest`, `  HTTP://${host}?a#b`]) {
      expect(await call(url)).toMatchObject({ isError: true, errorCode: 'address_blocked', content: { error: 'address_blocked' } });
      await egress?.close();
    }
    expect(sockets).toBe(0);
  });

  test.each([...metadata.translated.map(([, host]) => host.slice(1, -1)), '169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192', '168.63.129.16'])('by a name that has the address %s is one as well', async (address) => {
    const lookup: Lookup = async () => [address, '10.0.0.1', '::1'];
    expect(await call('http://innocent.example/', { lookup })).toMatchObject({ isError: true, errorCode: 'address_blocked' });
    expect(sockets).toBe(0);
  });

  test('by a name that has it beside a permitted address goes to the permitted one', async () => {
    expect(await call(`http://both.example:${port()}/`, { allow: ['127.0.0.1/32'], lookup: async () => ['169.254.169.254', '127.0.0.1'] })).toEqual({ isError: false, content: {} });
    expect([connections, requests.length]).toEqual([1, 1]);
  });

  test.each(everything.filter(([, host]) => /^[!-~]+$/.test(host)))('as %s (%s) in a redirect is an error as well, and nothing more is sent', async (_, host) => {
    for (const status of [301, 302, 303, 307, 308]) {
      for (const location of [`http://${host}/latest`, `//${host}/latest`]) {
        answer = { status, location };
        expect(await call(`http://127.0.0.1:${port()}/`, { allow: ['127.0.0.1/32'] })).toMatchObject({ isError: true, errorCode: 'address_blocked' });
        await egress?.close();
      }
    }
    // The permitted host was asked each time; the sockets are those to it.
    expect([connections, requests.length]).toEqual([10, 10]);
    expect(sockets).toBe(10 * countsPerSocket);
  });

  test.each(['http://%5B::ffff:a9fe:a9fe%5D/', 'http://[fe80::a9fe:a9fe%25eth0]/', 'http://169.254.169.254.254/', 'http://0xa9fea9fe00/', 'http%3a//169.254.169.254/', '//169.254.169.254/', 'http://169.254.169.254:99999/', 'ftp://169.254.169.254/', 'file:///latest/meta-data'])('in a form that is no http address at all (%s) is an error', async (url) => {
    expect(await call(url)).toMatchObject({ isError: true, errorCode: 'invalid_url' });
    expect(sockets).toBe(0);
  });
});

describe('a call to this machine', () => {
  test.each(loopback.direct)('as %s (%s) reaches it where that is allowed, and makes no connection where it is not', async (_, host) => {
    const url = `http://${host}:${port()}/`;
    expect(await call(url, { allow: ['127.0.0.1/32'] })).toEqual({ isError: false, content: {} });
    expect(connections).toBe(1);
    await egress?.close();
    sockets = 0;
    expect(await call(url)).toMatchObject({ isError: true, errorCode: 'address_blocked' });
    expect([connections, sockets]).toEqual([1, 0]);
  });

  test.each([...loopback.translated, ['localhost', 'localhost'], ['localhost with a dot', 'LOCALHOST.'], ['a name below localhost', 'a.localhost'], ['nothing', '0'], ['zeros', '[::]'], ['IPv6', '[::1]']])('as %s (%s) makes no connection', async (_, host) => {
    expect(await call(`http://${host}:${port()}/`)).toMatchObject({ isError: true, errorCode: 'address_blocked' });
    expect([connections, sockets]).toEqual([0, 0]);
  });
});
