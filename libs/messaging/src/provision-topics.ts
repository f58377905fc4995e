import { type Topic, TOPIC_PARTITIONS, topicName, TOPICS } from '@nightshift/contracts';
import { Kafka, logLevel } from 'kafkajs';
import type { KafkaOptions } from './kafka.bus.ts';

/** What topics are to be like. `pools` come on top of `shared`; `replicationFactor` −1: as the brokers have it. */
export interface TopicsWanted {
  readonly pools: readonly string[];
  readonly partitions?: number;
  readonly replicationFactor?: number;
}

/** Makes every topic that is missing, and gives those with too few partitions more; those with more keep them. Returns the names of both. */
export async function provisionTopics(options: Omit<KafkaOptions, 'log' | 'sessionTimeoutMs'>, { pools, partitions = TOPIC_PARTITIONS, replicationFactor = -1 }: TopicsWanted): Promise<{ created: string[]; extended: string[] }> {
  const names = (Object.keys(TOPICS) as Topic[]).flatMap((topic) => [...new Set(['shared', ...pools].map((pool) => topicName(topic, pool)))]);
  const admin = new Kafka({ ...options, brokers: [...options.brokers], retry: { retries: 3 }, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const existing = new Set(await admin.listTopics());
    const created = names.filter((name) => !existing.has(name));
    if (created.length > 0) await admin.createTopics({ topics: created.map((topic) => ({ topic, numPartitions: partitions, replicationFactor })) });
    const { topics } = await admin.fetchTopicMetadata({ topics: names.filter((name) => existing.has(name)) });
    const extended = topics.filter((topic) => topic.partitions.length < partitions).map(({ name }) => name);
    if (extended.length > 0) await admin.createPartitions({ topicPartitions: extended.map((topic) => ({ topic, count: partitions })) });
    return { created, extended };
  } finally {
    await admin.disconnect();
  }
}
