import { TOPIC_PARTITIONS, topicName, TOPICS } from '@nightshift/contracts';
import { flusher } from '@nightshift/postgres';
import type { CheckResult, Logger } from '@nightshift/runtime';
import { type Admin, Kafka, type KafkaConfig, logLevel, type Producer } from 'kafkajs';
import type { Bus, BusEvent, Subscribed, Subscription } from './bus.ts';
import { KafkaConsumer } from './kafka.consumer.ts';
import { HEADERS } from './message.ts';

/** How to reach Kafka. `sessionTimeoutMs`: how soon a member that died is noticed. */
export interface KafkaOptions {
  readonly clientId: string;
  readonly brokers: readonly string[];
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: KafkaConfig['sasl'];
  readonly sessionTimeoutMs: number;
  readonly log: Logger;
}

const ALL_REPLICAS = -1;
const RECOVER_MS = 1000;
const TRY_AGAIN_MS = 1000;
const QUEUED_MAX = 10_000;

/** Kafka through kafkajs; the only file besides its consumer that knows the client. */
export class KafkaBus implements Bus {
  readonly #kafka: Kafka;
  readonly #producer: Producer;
  readonly #admin: Admin;
  readonly #options: KafkaOptions;
  readonly #consumers: KafkaConsumer[] = [];
  readonly #known = new Set<string>();
  #connected: Promise<void> | undefined;
  #down = false;
  #troubleAt = 0;
  #queued = 0;
  #closing = false;
  readonly #send: (event: BusEvent) => Promise<void>;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#kafka = new Kafka({
      clientId: options.clientId,
      brokers: [...options.brokers],
      ...(options.ssl && { ssl: options.ssl }),
      ...(options.sasl && { sasl: options.sasl }),
      connectionTimeout: 3000,
      requestTimeout: 5000,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 3 },
      logLevel: logLevel.WARN,
      logCreator: () => ({ namespace, label, log }) => options.log.debug({ kafka: namespace, level: label, error: log['error'] }, log.message),
    });
    this.#producer = this.#kafka.producer({ allowAutoTopicCreation: false });
    this.#admin = this.#kafka.admin();
    this.#send = flusher<BusEvent>((events) => this.#sendBatch(events));
  }

  /** While Kafka is away only one try a second goes through: events wait in their outbox, not in memory. */
  publish(event: BusEvent): Promise<void> {
    const isPausing = this.#down && Date.now() - this.#troubleAt < TRY_AGAIN_MS;
    if (isPausing || this.#queued >= QUEUED_MAX) return Promise.reject(new KafkaUnavailable('kafka is not available'));
    this.#queued += 1;
    return this.#send(event).finally(() => (this.#queued -= 1));
  }

  async #sendBatch(events: readonly BusEvent[]): Promise<undefined[]> {
    const byTopic = new Map<string, { key: string; value: string; headers: Record<string, string> }[]>();
    for (const event of events) {
      const topic = topicName(event.topic, event.pool);
      const headers: Record<string, string> = { [HEADERS.id]: event.id, [HEADERS.schema]: String(TOPICS[event.topic].version) };
      if (event.traceparent !== undefined) headers[HEADERS.traceparent] = event.traceparent;
      const message = { key: event.key, value: JSON.stringify(event.payload), headers };
      const messages = byTopic.get(topic);
      if (messages) messages.push(message);
      else byTopic.set(topic, [message]);
    }
    try {
      await this.#connect();
      await this.#createTopics([...byTopic.keys()]);
      await this.#producer.sendBatch({ acks: ALL_REPLICAS, topicMessages: [...byTopic].map(([topic, messages]) => ({ topic, messages })) });
      this.#down = false;
      return events.map(() => undefined);
    } catch (err) {
      if (isTooLarge(err)) throw new Error('larger than the brokers take', { cause: err });
      this.#noteTrouble();
      throw new KafkaUnavailable('kafka did not take the events', { cause: err });
    }
  }

  #noteTrouble(): void {
    this.#down = true;
    this.#troubleAt = Date.now();
    this.#known.clear();
  }

  async #connect(): Promise<void> {
    this.#connected ??= Promise.all([this.#producer.connect(), this.#admin.connect()]).then(() => {
      this.#down = false;
    });
    try {
      await this.#connected;
    } catch (err) {
      this.#connected = undefined;
      throw err;
    }
  }

  /** Topics may be missing: at the first start, or because Kafka's data was lost. */
  async #createTopics(topics: readonly string[]): Promise<void> {
    const unknown = topics.filter((topic) => !this.#known.has(topic));
    if (unknown.length === 0) return;
    const existing = new Set(await this.#admin.listTopics());
    const missing = unknown.filter((topic) => !existing.has(topic));
    if (missing.length > 0) {
      this.#options.log.info({ topics: missing }, 'creating topics');
      await this.#admin.createTopics({ waitForLeaders: true, topics: missing.map((topic) => ({ topic, numPartitions: TOPIC_PARTITIONS, replicationFactor: -1 })) });
    }
    for (const topic of topics) this.#known.add(topic);
  }

  subscribe(subscription: Subscription): Promise<Subscribed> {
    const consumer = new KafkaConsumer({
      kafka: this.#kafka,
      subscription,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      log: this.#options.log,
      prepare: async () => {
        await this.#connect();
        await this.#createTopics(subscription.topics);
      },
      offsets: async () => {
        const offsets = await this.#admin.fetchOffsets({ groupId: subscription.group, topics: [...subscription.topics] });
        return offsets.flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => ({ topic, partition, offset })));
      },
      onTrouble: () => this.#noteTrouble(),
      onHealthy: () => (this.#down = false),
    });
    this.#consumers.push(consumer);
    void this.#keepRunning(consumer);
    return Promise.resolve({ assigned: () => consumer.assigned(), close: () => consumer.close() });
  }

  /** A consumer that fails is started again for as long as the bus is open. */
  async #keepRunning(consumer: KafkaConsumer): Promise<void> {
    while (!this.#closing && !consumer.closed) {
      try {
        await consumer.runUntilCrash();
      } catch (err) {
        this.#noteTrouble();
        this.#options.log.warn({ err }, 'kafka consumer failed; starting it again');
      }
      if (!this.#closing && !consumer.closed) await new Promise((resolve) => setTimeout(resolve, RECOVER_MS));
    }
  }

  health(): CheckResult[] {
    return this.#down ? [{ state: 'degraded', missing: 'kafka' }] : [];
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    await Promise.allSettled([this.#producer.disconnect(), this.#admin.disconnect()]);
  }
}

/** The brokers' limit is for all that goes to a partition at once: sent one by one, only an event that is too large alone is refused. */
function isTooLarge(err: unknown): boolean {
  const { type } = err as { type?: unknown };
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE';
}

/** Kafka cannot take events now; their outbox rows wait. */
export class KafkaUnavailable extends Error {
  /** Read by the flusher's check: the whole batch waits, it is not tried row by row. */
  readonly code = 'ECONNREFUSED';
}
