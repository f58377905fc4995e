import { TOPIC_PARTITIONS } from '@nightshift/contracts';
import type { Logger } from '@nightshift/runtime';
import type { Admin, Kafka } from 'kafkajs';

const WAIT_MS = 5000;
const POLL_MS = 50;
const REFUSED_MS = 10_000;

/** The topics that there are, made as they are needed: they are missing at the first start, and when Kafka's data was lost. */
export class KafkaTopics {
  readonly #kafka: Pick<Kafka, 'admin'>;
  readonly #log: Logger;
  /** Topics seen to exist, and all that were ever needed: after a loss they are made again together. */
  readonly #known = new Set<string>();
  readonly #needed = new Set<string>();
  /** Topics that the brokers did not let us make or write, and until when they are not asked again. */
  readonly #refused = new Map<string, number>();

  constructor(kafka: Pick<Kafka, 'admin'>, log: Logger) {
    this.#kafka = kafka;
    this.#log = log;
  }

  /** Makes what is missing of `topics`. Returns those that the brokers refuse, for reasons of their own; rejects when they cannot be asked. */
  async ensure(topics: readonly string[]): Promise<ReadonlySet<string>> {
    for (const topic of topics) this.#needed.add(topic);
    if (topics.some((topic) => !this.#known.has(topic) && !this.#isRefused(topic))) await this.#make();
    return new Set(topics.filter((topic) => this.#isRefused(topic)));
  }

  /** Takes a topic that the brokers refuse, for `reason`, for one of those that are left alone for a while. */
  refuse(topic: string, reason: string): void {
    this.#refused.set(topic, Date.now() + REFUSED_MS);
    this.#log.warn({ topic, reason, errorCode: 'topic_refused' }, 'the brokers refuse a topic; its events wait');
  }

  /** The brokers may have lost what they had. */
  forget(): void {
    this.#known.clear();
  }

  #isRefused(topic: string): boolean {
    return (this.#refused.get(topic) ?? 0) > Date.now();
  }

  async #make(): Promise<void> {
    // A client of its own, because a client that has ever used a topic fails as long as that topic is missing.
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      const missing = await this.#missing(admin);
      if (missing.length > 0) {
        this.#log.info({ topics: missing }, 'creating topics');
        await this.#create(admin, missing);
        const until = Date.now() + WAIT_MS;
        while ((await this.#missing(admin)).length > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      for (const topic of this.#needed) if (!this.#isRefused(topic)) this.#known.add(topic);
    } finally {
      await admin.disconnect();
    }
  }

  async #create(admin: Admin, topics: readonly string[]): Promise<void> {
    try {
      await admin.createTopics({ waitForLeaders: false, topics: topics.map((topic) => ({ topic, numPartitions: TOPIC_PARTITIONS, replicationFactor: -1 })) });
    } catch (err) {
      const errors = errorsByTopic(err);
      if (!errors) throw err;
      for (const { topic, type } of errors) {
        if (type !== 'TOPIC_ALREADY_EXISTS') this.refuse(topic, type);
      }
    }
  }

  async #missing(admin: Admin): Promise<string[]> {
    const existing = new Set(await admin.listTopics());
    return [...this.#needed].filter((topic) => !existing.has(topic) && !this.#isRefused(topic));
  }
}

/** What the brokers say of single topics; undefined for an error that is about none. */
function errorsByTopic(err: unknown): readonly { topic: string; type: string }[] | undefined {
  const { errors } = err as { errors?: readonly { topic?: string; type?: string }[] };
  return errors?.every(({ topic, type }) => topic !== undefined && type !== undefined) ? (errors as readonly { topic: string; type: string }[]) : undefined;
}
