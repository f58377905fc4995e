import type { Logger } from '@nightshift/runtime';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import type { Subscription } from './bus.ts';
import { HEADERS, type RawMessage } from './message.ts';

/** What a consumer needs from the bus it belongs to. */
export interface KafkaConsumerOptions {
  readonly kafka: Pick<Kafka, 'consumer'>;
  readonly subscription: Subscription;
  readonly sessionTimeoutMs: number;
  readonly log: Logger;
  /** Makes sure that the topics exist. */
  readonly prepare: () => Promise<void>;
  /** The group's committed offsets; '-1' where there is none. */
  readonly offsets: () => Promise<{ topic: string; partition: number; offset: string }[]>;
  readonly onTrouble: () => void;
  readonly onHealthy: () => void;
}

const HEARTBEAT_MS = 500;
const COMMIT_EVERY_MS = 200;
const MAX_WAIT_MS = 1000;
/** What is delivered before the time to gather is over. */
const GATHERED_BYTES = 64 * 1024;
const PARALLEL_PARTITIONS = 12;
const REBALANCE_TIMEOUT_MS = 15_000;
const CLOSE_MS = 2000;

/**
 * One member of a consumer group. A batch counts as read when it is committed or dead-lettered; the offsets of what is
 * read are committed in the background, so a crash repeats at most a fraction of a second.
 */
export class KafkaConsumer {
  readonly #options: KafkaConsumerOptions;
  readonly #stop = new AbortController();
  /** Read and not committed yet, by partition. Begins anew when the group does: partitions may be another member's then. */
  #read = new Map<string, { topic: string; partition: number; offset: string }>();
  #consumer: Consumer | undefined;
  #assigned = false;
  #committing: Promise<void> | undefined;

  constructor(options: KafkaConsumerOptions) {
    this.#options = options;
  }

  assigned(): boolean {
    return this.#assigned;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Joins the group and consumes; resolves when the consumer has ended, rejects when it failed. */
  async runUntilCrash(): Promise<void> {
    const { kafka, subscription, sessionTimeoutMs, prepare, onTrouble, onHealthy, log } = this.#options;
    await prepare();
    const consumer = kafka.consumer({
      groupId: subscription.group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      ...(subscription.gatherMs === undefined ? { maxWaitTimeInMs: MAX_WAIT_MS } : { maxWaitTimeInMs: subscription.gatherMs, minBytes: GATHERED_BYTES }),
      allowAutoTopicCreation: false,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 5, restartOnFailure: () => Promise.resolve(false) },
    });
    this.#consumer = consumer;
    const crashed = new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      consumer.on('consumer.stop', () => resolve());
    });
    crashed.catch(() => onTrouble());
    consumer.on('consumer.group_join', ({ payload }) => {
      log.info({ group: subscription.group, partitions: payload.memberAssignment }, 'joined the consumer group');
      this.#assigned = true;
      this.#read = new Map();
      onHealthy();
      void this.#checkGap();
    });
    consumer.on('consumer.rebalancing', () => void this.#commit(consumer));
    const timer = setInterval(() => void this.#commit(consumer), COMMIT_EVERY_MS);
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...subscription.topics], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: PARALLEL_PARTITIONS, eachBatch: (payload) => this.#eachBatch(payload) });
      await crashed;
    } finally {
      clearInterval(timer);
      this.#read = new Map();
      await consumer.disconnect().catch((err: unknown) => log.debug({ err }, 'disconnecting a failed consumer'));
    }
  }

  async #eachBatch({ batch, resolveOffset, heartbeat, isStale }: EachBatchPayload): Promise<void> {
    if (isStale() || this.closed) return;
    const lost = new AbortController();
    const signal = AbortSignal.any([lost.signal, this.#stop.signal]);
    const read = this.#read;
    const beat = setInterval(() => {
      heartbeat().catch((err: unknown) => lost.abort(err));
    }, HEARTBEAT_MS);
    try {
      await this.#options.subscription.deliver(batch.messages.map((message) => rawMessage(batch.topic, batch.partition, message)), signal);
    } finally {
      clearInterval(beat);
    }
    const last = batch.lastOffset();
    resolveOffset(last);
    read.set(`${batch.topic}/${batch.partition}`, { topic: batch.topic, partition: batch.partition, offset: (BigInt(last) + 1n).toString() });
    await heartbeat();
  }

  /** One commit at a time; what was not taken is tried again, for there may be no later message whose commit includes it. */
  #commit(consumer: Consumer): Promise<void> {
    this.#committing ??= this.#commitRead(consumer).finally(() => (this.#committing = undefined));
    return this.#committing;
  }

  async #commitRead(consumer: Consumer): Promise<void> {
    const read = this.#read;
    if (read.size === 0) return;
    const offsets = [...read];
    read.clear();
    try {
      await consumer.commitOffsets(offsets.map(([, offset]) => offset));
    } catch (err) {
      for (const [partition, offset] of offsets) if (!read.has(partition)) read.set(partition, offset);
      this.#options.log.debug({ err }, 'offsets were not committed yet; their messages may be repeated');
    }
  }

  /** No committed offset for a partition: a first start, or the bus has lost its data. */
  async #checkGap(): Promise<void> {
    try {
      const offsets = await this.#options.offsets();
      if (offsets.some(({ offset }) => offset === '-1')) this.#options.subscription.onGap();
    } catch (err) {
      this.#options.log.debug({ err }, 'could not read the group’s offsets');
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    const consumer = this.#consumer;
    if (!consumer) return void this.#stop.abort();
    const timer = setTimeout(() => this.#stop.abort(), CLOSE_MS);
    await this.#committing;
    await this.#commit(consumer);
    await consumer.stop().catch((err: unknown) => this.#options.log.debug({ err }, 'stopping a consumer'));
    clearTimeout(timer);
    this.#stop.abort();
    await consumer.disconnect().catch((err: unknown) => this.#options.log.debug({ err }, 'disconnecting a consumer'));
  }
}

function rawMessage(topic: string, partition: number, message: EachBatchPayload['batch']['messages'][number]): RawMessage {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? String(value[0]) : value.toString();
  }
  return { id: headers[HEADERS.id] ?? `${topic}/${partition}/${message.offset}`, topic, key: message.key?.toString() ?? '', value: message.value?.toString('utf8') ?? '', headers };
}
