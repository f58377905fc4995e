import { type Topic, TOPIC_PARTITIONS, topicName, TOPICS } from '@nightshift/contracts';
import type { Admin } from 'kafkajs';
import { type KafkaAddress, kafkaClient } from './kafka.client.ts';

/** One topic as it is in Kafka. */
export interface TopicState {
  readonly name: string;
  /** 0 when there is no such topic. */
  readonly partitions: number;
  /** Copies of the partition that has the fewest. */
  readonly replicas: number;
  /** Partitions of which fewer copies are in step than there should be. */
  readonly underReplicated: number;
}

/** A consumer group of ours, and how far it is behind. */
export interface ConsumerGroup {
  readonly group: string;
  readonly state: string;
  readonly members: number;
  /** Messages that are not committed yet, by topic; partitions that the group has never read count from their start. */
  readonly lag: Readonly<Record<string, number>>;
}

const NOBODY = { debug: () => undefined, warn: () => undefined };

/** The names that the product needs: every topic, those of `pools` once for each pool, `shared` included. */
export function expectedTopics(pools: readonly string[]): string[] {
  const names = (Object.keys(TOPICS) as Topic[]).flatMap((topic) => (TOPICS[topic].perPool ? ['shared', ...pools] : ['shared']).map((pool) => topicName(topic, pool)));
  return [...new Set(names)].sort();
}

/** The topics and groups of one Kafka, for its operator. Rejects with the client's error when Kafka cannot be reached or refuses. */
export class TopicAdmin {
  readonly #admin: Admin;
  readonly #connected: Promise<void>;

  constructor(address: KafkaAddress) {
    this.#admin = kafkaClient(address, NOBODY).admin();
    this.#connected = this.#admin.connect();
    // Whoever asks is told.
    this.#connected.catch(() => undefined);
  }

  /** How many brokers there are. */
  async brokers(): Promise<number> {
    await this.#connected;
    return (await this.#admin.describeCluster()).brokers.length;
  }

  /** The topics of these names, in their order, also those that are missing. */
  async list(names: readonly string[]): Promise<TopicState[]> {
    await this.#connected;
    const existing = new Set(await this.#admin.listTopics());
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: names.filter((name) => existing.has(name)) });
    return names.map((name) => {
      const partitions = topics.find((topic) => topic.name === name)?.partitions ?? [];
      return {
        name,
        partitions: partitions.length,
        replicas: partitions.length === 0 ? 0 : Math.min(...partitions.map(({ replicas }) => replicas.length)),
        underReplicated: partitions.filter(({ replicas, isr }) => isr.length < replicas.length).length,
      };
    });
  }

  /** Makes the missing ones of these; gives their names. `replicas` −1: what the brokers do by default. */
  async create(names: readonly string[], { partitions = TOPIC_PARTITIONS, replicas = -1 }: { partitions?: number; replicas?: number } = {}): Promise<string[]> {
    const missing = (await this.list(names)).flatMap((topic) => (topic.partitions === 0 ? [topic.name] : []));
    if (missing.length > 0) await this.#admin.createTopics({ waitForLeaders: true, topics: missing.map((topic) => ({ topic, numPartitions: partitions, replicationFactor: replicas })) });
    return missing;
  }

  /** Gives these topics at least `partitions`; Kafka never takes partitions away. Gives the names of those that had fewer. */
  async extend(names: readonly string[], partitions: number): Promise<string[]> {
    const short = (await this.list(names)).flatMap((topic) => (topic.partitions > 0 && topic.partitions < partitions ? [topic.name] : []));
    if (short.length > 0) await this.#admin.createPartitions({ topicPartitions: short.map((topic) => ({ topic, count: partitions })) });
    return short;
  }

  /** The groups that read these topics, with their lags, by name. */
  async groups(names: readonly string[]): Promise<ConsumerGroup[]> {
    const existing = (await this.list(names)).flatMap((topic) => (topic.partitions > 0 ? [topic.name] : []));
    const { groups } = await this.#admin.listGroups();
    const { groups: described } = await this.#admin.describeGroups(groups.map(({ groupId }) => groupId));
    const ends = new Map(await Promise.all(existing.map(async (topic) => [topic, await this.#admin.fetchTopicOffsets(topic)] as const)));
    const lags = await Promise.all(
      described.map(async ({ groupId, state, members }): Promise<ConsumerGroup> => {
        const offsets = await this.#admin.fetchOffsets({ groupId, topics: existing });
        const read = offsets.filter(({ partitions }) => partitions.some(({ offset }) => offset !== '-1'));
        return { group: groupId, state, members: members.length, lag: Object.fromEntries(read.map(({ topic, partitions }) => [topic, lagOf(partitions, ends.get(topic) ?? [])])) };
      }),
    );
    return lags.filter(({ lag }) => Object.keys(lag).length > 0).sort((one, other) => one.group.localeCompare(other.group));
  }

  /** The client would go on connecting if it were told to disconnect before that has ended. */
  async close(): Promise<void> {
    await this.#connected.catch(() => undefined);
    await this.#admin.disconnect();
  }
}

function lagOf(read: readonly { partition: number; offset: string }[], ends: readonly { partition: number; high: string; low: string }[]): number {
  const offsets = new Map(read.map(({ partition, offset }) => [partition, offset]));
  return ends.reduce((sum, { partition, high, low }) => {
    const offset = offsets.get(partition) ?? '-1';
    return sum + Number(BigInt(high) - BigInt(offset === '-1' ? low : offset));
  }, 0);
}
