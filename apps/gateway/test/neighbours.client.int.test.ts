import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { httpTransport, InternalClient } from '@nightshift/http';
import { checkNeighbour } from '../src/neighbours.client.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => void server.close(resolve).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
function clientOf(...urls: string[]): InternalClient {
  const { transport, close } = httpTransport(urls);
  cleanups.push(close);
  return new InternalClient(transport, 'token');
}
const frozen: RequestListener = () => undefined;
const well: RequestListener = (_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ready"}');

describe('a neighbour that stands still', () => {
  test.each([['billing', { state: 'degraded', missing: 'billing' }], ['runs', { state: 'unready', reason: 'runs cannot be reached' }]] as const)('is away for GET /ready, which is answered in time: %s', async (name, result) => {
    const startedAt = performance.now();
    expect(await checkNeighbour(name, clientOf(...(await Promise.all([frozen, frozen, frozen, frozen].map(serve)))))).toEqual([result]);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  test('at one of its addresses is there at the other', async () => {
    expect(await checkNeighbour('runs', clientOf(await serve(frozen), await serve(well)))).toEqual([]);
  });
});
