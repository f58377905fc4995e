import { SHARED_POOL, topicName, TOPICS } from '@nightshift/contracts';
import { flusher } from '@nightshift/postgres';
import { type CheckResult, type Logger, metrics } from '@nightshift/runtime';
import type { Admin, Kafka, Message, Producer } from 'kafkajs';
import { type Bus, type BusEvent, EventRefused, type Subscribed, type Subscription } from './bus.ts';
import { type KafkaAddress, kafkaClient } from './kafka.client.ts';
import { KafkaConsumer } from './kafka.consumer.ts';
import { KafkaPartitions } from './kafka.partitions.ts';
import { isTooLarge, isUnknownTopic, produce } from './kafka.produce.ts';
import { KafkaTopics } from './kafka.topics.ts';
import { HEADERS } from './message.ts';

/** How to reach Kafka, and `sessionTimeoutMs`: how soon a member that died is noticed. */
export interface KafkaOptions extends KafkaAddress {
  readonly sessionTimeoutMs: number;
  readonly log: Logger;
}

const RECOVER_MS = 1000;
const TRY_AGAIN_MS = 1000;
const QUEUED_MAX = 10_000;
const PROBE_EVERY_MS = 2000;

/** Kafka through kafkajs, which only the files named `kafka.` know. */
export class KafkaBus implements Bus {
  readonly #kafka: Kafka;
  #producer: Producer;
  readonly #admin: Admin;
  readonly #options: KafkaOptions;
  readonly #consumers: KafkaConsumer[] = [];
  readonly #topics: KafkaTopics;
  #connected: Promise<void> | undefined;
  #down = false;
  #troubleAt = 0;
  #queued = 0;
  #probing = false;
  readonly #prober: NodeJS.Timeout;
  #closing = false;
  readonly #partitions = new KafkaPartitions();
  /** By pool, so that what is said to a dedicated pool does not wait for a batch of what is said to all others. */
  readonly #lanes = new Map<string, (event: BusEvent) => Promise<Error | undefined>>();

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#kafka = kafkaClient(options, options.log);
    this.#producer = this.#newProducer();
    this.#admin = this.#kafka.admin();
    this.#topics = new KafkaTopics(this.#kafka, options.log);
    this.#prober = setInterval(() => void this.#probe(), PROBE_EVERY_MS).unref();
  }

  /** While Kafka is away only one try a second goes through: events wait in their outbox, not in memory. */
  async publish(event: BusEvent): Promise<void> {
    const isPausing = this.#down && Date.now() - this.#troubleAt < TRY_AGAIN_MS;
    if (isPausing || this.#queued >= QUEUED_MAX) throw new KafkaUnavailable('kafka is not available');
    this.#queued += 1;
    const refused = await this.#laneOf(event)(event).finally(() => (this.#queued -= 1));
    if (refused) throw refused;
  }

  #laneOf({ topic, pool }: BusEvent): (event: BusEvent) => Promise<Error | undefined> {
    const name = TOPICS[topic].perPool ? pool : SHARED_POOL;
    const lane = this.#lanes.get(name) ?? flusher<BusEvent, Error | undefined>((events) => this.#sendBatch(events));
    this.#lanes.set(name, lane);
    return lane;
  }

  /** An event whose topic cannot be made or may not be written is answered with an error, and hurts no other. */
  async #sendBatch(events: readonly BusEvent[]): Promise<(Error | undefined)[]> {
    const byTopic = new Map<string, Message[]>();
    for (const event of events) {
      const topic = topicName(event.topic, event.pool);
      const headers: Record<string, string> = { [HEADERS.id]: event.id, [HEADERS.schema]: String(TOPICS[event.topic].version) };
      if (event.traceparent !== undefined) headers[HEADERS.traceparent] = event.traceparent;
      const messages = byTopic.get(topic) ?? [];
      if (messages.length === 0) this.#partitions.begin(topic);
      byTopic.set(topic, messages);
      const value = JSON.stringify(event.payload);
      messages.push({ key: event.key, value, headers, partition: this.#partitions.place(topic, Buffer.byteLength(value)) });
    }
    const producer = this.#producer;
    try {
      await this.#connect();
      const known = await this.#topics.ensure([...byTopic.keys()]);
      const produced = await produce(producer, [...byTopic].flatMap(([topic, messages]) => (known.has(topic) ? [] : [{ topic, messages }])), (topic) => this.#partitions.used(topic));
      for (const [topic, reason] of produced) this.#topics.refuse(topic, reason);
      this.#down = false;
      const refused = new Set([...known, ...produced.keys()]);
      return events.map(({ topic, pool }) => (refused.has(topicName(topic, pool)) ? new KafkaUnavailable(`the brokers refuse the topic ${topicName(topic, pool)}`) : undefined));
    } catch (err) {
      if (isTooLarge(err)) throw new EventRefused('larger than the brokers take', { cause: err });
      this.#noteTrouble();
      if (isUnknownTopic(err) && this.#producer === producer) this.#renewProducer();
      throw new KafkaUnavailable('kafka did not take the events', { cause: err });
    }
  }

  #newProducer(): Producer {
    return this.#kafka.producer({ allowAutoTopicCreation: false, createPartitioner: this.#partitions.partitioner });
  }

  /** kafkajs asks for every topic that it has ever sent to, and sends nothing at all while one of them is missing. */
  #renewProducer(): void {
    const old = this.#producer;
    this.#producer = this.#newProducer();
    this.#connected = undefined;
    old.disconnect().catch((err: unknown) => this.#options.log.debug({ err }, 'kafka producer not disconnected'));
  }

  #noteTrouble(): void {
    if (!this.#down) metrics.connectionLosses.inc({ dependency: 'kafka' });
    this.#down = true;
    this.#troubleAt = Date.now();
    this.#topics.forget();
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

  /** Asks the brokers for a sign of life: one that stands still answers nothing, and refuses nothing either. */
  async #probe(): Promise<void> {
    if (this.#probing || this.#connected === undefined) return;
    this.#probing = true;
    const late = setTimeout(() => this.#noteTrouble(), PROBE_EVERY_MS);
    try {
      await this.#admin.describeCluster();
      this.#down = false;
    } catch (err) {
      this.#options.log.debug({ err }, 'kafka gives no sign of life');
      this.#noteTrouble();
    } finally {
      clearTimeout(late);
      this.#probing = false;
    }
  }

  async #offsets(groupId: string, topics: readonly string[]): Promise<{ topic: string; partition: number; offset: string }[]> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      const offsets = await admin.fetchOffsets({ groupId, topics: [...topics] });
      return offsets.flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => ({ topic, partition, offset })));
    } finally {
      await admin.disconnect();
    }
  }

  subscribe(subscription: Subscription): Promise<Subscribed> {
    const consumer = new KafkaConsumer({
      kafka: this.#kafka,
      subscription,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      log: this.#options.log,
      prepare: async () => {
        await this.#connect();
        const refused = await this.#topics.ensure(subscription.topics);
        if (refused.size > 0) throw new KafkaUnavailable(`there is no topic ${[...refused].join(', ')}, and it could not be created`);
      },
      offsets: () => this.#offsets(subscription.group, subscription.topics),
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
    clearInterval(this.#prober);
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    await Promise.allSettled([this.#producer.disconnect(), this.#admin.disconnect()]);
  }
}

/** Kafka cannot take events now; their outbox rows wait. */
export class KafkaUnavailable extends Error {
  /** Read by the flusher's check: the whole batch waits, it is not tried row by row. */
  readonly code = 'ECONNREFUSED';
}
