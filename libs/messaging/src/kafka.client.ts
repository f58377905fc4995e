import { createRequire } from 'node:module';
import type { Logger } from '@nightshift/runtime';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';

/** The requests of one connection that wait until others are answered, in kafkajs 2.2.4. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const { prototype: queue } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
const schedule = queue.scheduleCheckPendingRequests;
// Where nothing waits it would look again after a millisecond, for ever: an idle service woke up 800 times a second for it
// (https://github.com/tulios/kafkajs/issues/1704). What has to wait is followed by a call of its own.
queue.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};

/** How to reach Kafka. */
export interface KafkaAddress {
  readonly clientId: string;
  readonly brokers: readonly string[];
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: KafkaConfig['sasl'];
}

/** A client that gives up soon, because whoever asks tries again on its own. Nothing is connected yet. */
export function kafkaClient({ clientId, brokers, ssl, sasl }: KafkaAddress, log: Pick<Logger, 'debug' | 'warn'>): Kafka {
  return new Kafka({
    clientId,
    brokers: [...brokers],
    ...(ssl && { ssl }),
    ...(sasl && { sasl }),
    connectionTimeout: 3000,
    requestTimeout: 5000,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 3 },
    logLevel: logLevel.WARN,
    // Its errors are mostly about a broker that is away, which the readiness tells; one that makes it read from the start is worth a warning.
    logCreator: () => ({ namespace, label, log: entry }) => log[entry.message.startsWith('Offset out of range') ? 'warn' : 'debug']({ kafka: namespace, level: label, error: entry['error'] }, entry.message),
  });
}
