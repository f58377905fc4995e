import { PoolName, TOPIC_PARTITIONS } from '@nightshift/contracts';
import { expectedTopics, TopicAdmin } from '@nightshift/messaging';
import { loadConfig } from '@nightshift/runtime';
import { z } from 'zod';
import { ClusterEnvironment, kafkaAddress, KafkaEnvironment } from './environment.ts';
import { List } from './list.ts';
import { runOnce } from './one-shot.ts';

/** What `topics.js` reads. */
export const TopicsEnvironment = KafkaEnvironment.extend(ClusterEnvironment.pick({ LOG_LEVEL: true, LOG_FORMAT: true }).shape).extend({
  POOLS: List.pipe(z.array(PoolName)).default([]),
  TOPIC_PARTITIONS: z.coerce.number().int().positive().default(TOPIC_PARTITIONS),
  TOPIC_REPLICATION_FACTOR: z.coerce.number().int().refine((count) => count === -1 || count > 0, { error: 'must be at least 1, or -1 for what the brokers do' }).default(-1),
});

/** Makes the topics that are missing, those of `POOLS` included, extends those with too few partitions, and ends the process. */
export async function runTopics(): Promise<void> {
  const environment = loadConfig(TopicsEnvironment, 'topics');
  const { POOLS: pools, TOPIC_PARTITIONS: partitions, TOPIC_REPLICATION_FACTOR: replicas } = environment;
  const names = expectedTopics(pools);
  await runOnce('topics', environment, async (log) => {
    const admin = new TopicAdmin(kafkaAddress(environment, 'nightshift-topics'));
    try {
      log.info({ created: await admin.create(names, { partitions, replicas }), extended: await admin.extend(names, partitions) }, 'topics');
    } finally {
      await admin.close();
    }
  });
}
