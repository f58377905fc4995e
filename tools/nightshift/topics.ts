import { TOPIC_PARTITIONS } from '@nightshift/contracts';
import { expectedTopics, TopicAdmin, type TopicState } from '@nightshift/messaging';
import type { Command } from 'commander';
import { action, examples, type Said, type Shell } from './action.ts';
import { EXIT, Failure, reasonOf } from './failure.ts';
import type { Installation } from './installation.ts';
import { kafkaOf } from './kafka.ts';
import { countOption } from './limits.ts';
import { table } from './table.ts';

interface TopicOptions {
  readonly pool?: string[];
  readonly partitions: number;
  readonly replicationFactor?: number;
}

/** `topics list|create|extend`. */
export function addTopics(program: Command, shell: Shell): void {
  const topics = program.command('topics').description('Kafka topics: what the services need and what there is (KAFKA_BROKERS, KAFKA_SSL_*, KAFKA_SASL_*)');
  const pooled = (command: Command) =>
    command.option('--pool <pool...>', 'also those of these pools (by default those in POOLS)').option('--partitions <count>', 'how many each topic should have', countOption, TOPIC_PARTITIONS);
  const act = (work: (kafka: TopicAdmin, names: string[], options: TopicOptions) => Promise<Said>) => action<TopicOptions>(shell, (installation, _, options) => withKafka(installation, (kafka) => work(kafka, namesFor(installation, options), options)));
  pooled(topics.command('list').description('each topic with its partitions; ends with 1 if one is missing or has too few')).action(act(list));
  examples(pooled(topics.command('create').description('make what is missing; the services would do so too, when they start')).option('--replication-factor <count>', 'copies of each partition (the brokers’ default)', countOption).action(act(create)), [
    ['nightshift topics create --replication-factor 3', 'before the first start'],
    ['nightshift topics create --pool acme', 'before a dedicated pool is started'],
  ]);
  examples(pooled(topics.command('extend').description('add partitions, for more consumers of a kind than there are partitions')).action(act(extend)), [
    ['nightshift topics extend --partitions 24', 'up to 24 processes of each service consume'],
  ]);
}

function namesFor({ env }: Installation, { pool }: TopicOptions): string[] {
  return expectedTopics(pool ?? (env['POOLS'] ?? '').split(',').map((name) => name.trim()).filter((name) => name !== ''));
}

async function withKafka(installation: Installation, work: (kafka: TopicAdmin) => Promise<Said>): Promise<Said> {
  const address = kafkaOf(installation);
  const kafka = new TopicAdmin(address);
  try {
    return await work(kafka);
  } catch (err) {
    throw new Failure(EXIT.away, `Kafka at ${address.brokers.join(',')}: ${reasonOf(err)}`, { cause: err });
  } finally {
    await kafka.close();
  }
}

async function list(kafka: TopicAdmin, names: string[], { partitions }: TopicOptions): Promise<Said> {
  const topics = await kafka.list(names);
  const stateOf = (topic: TopicState) => (topic.partitions === 0 ? 'missing: topics create' : topic.partitions < partitions ? 'too few: topics extend' : topic.underReplicated > 0 ? `${topic.underReplicated} under-replicated` : 'ok');
  const rows = topics.map((topic) => [topic.name, String(partitions), String(topic.partitions), String(topic.replicas), stateOf(topic)]);
  const isWell = topics.every((topic) => stateOf(topic) === 'ok');
  return { json: { expectedPartitions: partitions, topics }, text: table(['TOPIC', 'EXPECTED', 'PARTITIONS', 'REPLICAS', 'STATE'], rows), exitCode: isWell ? EXIT.done : EXIT.trouble };
}

async function create(kafka: TopicAdmin, names: string[], { partitions, replicationFactor }: TopicOptions): Promise<Said> {
  const created = await kafka.create(names, { partitions, ...(replicationFactor !== undefined && { replicas: replicationFactor }) });
  return { json: { created }, text: created.length === 0 ? 'nothing is missing' : created.map((name) => `${name} created with ${partitions} partitions`).join('\n') };
}

async function extend(kafka: TopicAdmin, names: string[], { partitions }: TopicOptions): Promise<Said> {
  const extended = await kafka.extend(names, partitions);
  return { json: { extended }, text: extended.length === 0 ? `every topic has ${partitions} partitions or more` : extended.map((name) => `${name} has ${partitions} partitions now`).join('\n') };
}
