import { afterEach, describe, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import { createEgress, type Egress, EgressError, type EgressOptions, type EgressRequest } from '../src/index.ts';
import { serveHttp } from './local-servers.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve() {
  const server = await serveHttp((_req, res) => void res.end('ok'));
  cleanups.push(server.close);
  return server;
}

function egressWith(options: Partial<EgressOptions>): Egress {
  const egress = createEgress({ allow: ['127.0.0.0/8'], ...options });
  cleanups.push(() => egress.close());
  return egress;
}

const get = (url: string, more: Partial<EgressRequest> = {}): EgressRequest => ({ method: 'GET', url, timeoutMs: 5000, responseBytesMax: 1_000_000, ...more });

/** The code that a request fails with. */
const failed = (request: Promise<unknown>): Promise<string> => request.then(() => 'none', (err: EgressError) => err.code);

describe('a name', () => {
  test('is asked for once, however many requests want it at the same time', async () => {
    const server = await serve();
    let asked = 0;
    const egress = egressWith({ lookup: async () => Array.from({ length: (asked += 1) }, () => '127.0.0.1') });
    await Promise.all(Array.from({ length: 20 }, () => egress.request(get(`http://busy.example:${server.port}/`))));
    expect(asked).toBe(1);
  });

  test('of an owner whose names take long keeps nobody else’s waiting, and neither does a name that is in use', async () => {
    const server = await serve();
    const asked: string[] = [];
    const never = new Promise<string[]>(() => undefined);
    let isSlow = false;
    const egress = egressWith({ addressTtlMs: 0, lookup: (name) => (asked.push(name), isSlow || name.startsWith('slow') ? never : Promise.resolve(['127.0.0.1'])) });
    const hanging = Array.from({ length: 20 }, (_, index) => failed(egress.request(get(`http://slow${index}.example:${server.port}/`, { owner: 'one', timeoutMs: 2000 }))));
    const used = `http://used.example:${server.port}/`;
    for (let turn = 0; turn < 3; turn += 1) expect((await egress.request(get(used, { owner: `two ${turn}` }))).status).toBe(200);
    expect(asked.filter((name) => name.startsWith('slow'))).toHaveLength(2);
    isSlow = true;
    expect((await egress.request(get(used, { owner: 'two' }))).status).toBe(200);
    expect(new Set(await Promise.all(hanging))).toEqual(new Set(['timeout']));
  });

  test('is resolved for any number of owners at once, and for one of them not without bound', async () => {
    const server = await serve();
    const egress = egressWith({ lookup: () => Promise.resolve(['127.0.0.1']) });
    const ask = (owner: (index: number) => string, zone: string) => Array.from({ length: 300 }, (_, index) => failed(egress.request(get(`http://n${index}.${zone}.example:${server.port}/`, { owner: owner(index) }))));
    expect(new Set(await Promise.all(ask((index) => `org_${index}`, 'many')))).toEqual(new Set(['none']));
    const ofOne = await Promise.all(ask(() => 'org_one', 'one'));
    expect(ofOne.filter((code) => code === 'dns_error')).toHaveLength(98);
  });

  test('that is known is used while it is asked for anew, but not for long when that fails', async () => {
    const server = await serve();
    let answer = (): Promise<string[]> => Promise.resolve(['127.0.0.1']);
    const egress = egressWith({ addressTtlMs: 0, addressStaleMs: 100, lookup: () => answer() });
    const url = `http://gone.example:${server.port}/`;
    expect((await egress.request(get(url))).status).toBe(200);
    answer = () => Promise.reject(new Error('NXDOMAIN'));
    expect((await egress.request(get(url))).status).toBe(200);
    await waitFor(async () => (await failed(egress.request(get(url)))) === 'dns_error');
  });
});
