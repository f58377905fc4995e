import { createRequire } from 'node:module';
import { expect, test } from '@jest/globals';
import './kafka.client.ts';

interface Queue {
  readonly throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  maybeThrottle(ms: number): void;
  push(request: object): void;
}
const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (options: object) => Queue;
const logger = { debug: () => undefined, namespace: () => logger };
const queueOf = () => new RequestQueue({ maxInFlightRequests: 1, requestTimeout: 1000, clientId: 'test', broker: 'test', logger, instrumentationEmitter: null, isConnected: () => true });

test('a connection on which no request waits sets no timer', () => {
  const queue = queueOf();
  queue.checkPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBeNull();
});

test('a request that the brokers have us hold back is sent when its time has come', async () => {
  const queue = queueOf();
  queue.maybeThrottle(20);
  const asked = performance.now();
  const sentAt = await new Promise<number>((resolve) => {
    queue.push({ entry: { correlationId: 1, resolve: () => undefined }, expectResponse: false, sendRequest: () => resolve(performance.now()) });
  });
  expect(sentAt - asked).toBeGreaterThan(15);
  expect(queue.throttleCheckTimeoutId).toBeNull();
});
