import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectedTopics, TopicAdmin } from '@nightshift/messaging';
import { infrastructure, uniqueName, waitFor } from '@nightshift/testing';
import { Kafka, logLevel } from 'kafkajs';

const brokers = infrastructure().kafkaBrokers.split(',');
let topics: TopicAdmin;
let names: string[];

beforeEach(() => {
  topics = new TopicAdmin({ clientId: 'test', brokers });
  names = [uniqueName('operator'), uniqueName('operator')].sort();
});
afterEach(() => topics.close());

/** Brokers hear of a change a moment after it was made. */
const have = (...partitions: number[]) => waitFor(async () => isDeepStrictEqual((await topics.list(names)).map((topic) => topic.partitions), partitions), { describe: `${partitions.join()} partitions` });

test('the topics that the product needs are those of the contracts, and the pooled ones once for each pool', () => {
  expect(expectedTopics([])).toEqual(['run.commanded', 'run.finished', 'run.progressed', 'tool.commanded', 'tool.completed', 'usage.recorded']);
  expect(expectedTopics(['acme']).filter((name) => name.endsWith('.acme'))).toEqual(['run.commanded.acme', 'tool.commanded.acme', 'tool.completed.acme']);
});

test('what is missing is made, once, and what is there is left as it is', async () => {
  expect((await topics.list(names)).map(({ partitions }) => partitions)).toEqual([0, 0]);
  expect(await topics.create(names.slice(0, 1), { partitions: 3 })).toEqual(names.slice(0, 1));
  expect(await topics.create(names, { partitions: 5 })).toEqual(names.slice(1));
  await have(3, 5);
  expect(await topics.list(names)).toEqual([
    { name: names[0], partitions: 3, replicas: 1, underReplicated: 0 },
    { name: names[1], partitions: 5, replicas: 1, underReplicated: 0 },
  ]);
});

test('partitions are added to those that have fewer, and never taken away', async () => {
  await topics.create(names.slice(0, 1), { partitions: 2 });
  await topics.create(names.slice(1), { partitions: 6 });
  await have(2, 6);
  expect(await topics.extend(names, 4)).toEqual(names.slice(0, 1));
  await have(4, 6);
});

test('a group is told with what it has not read, in partitions that it never read as well', async () => {
  const topic = names[0] ?? '';
  await topics.create([topic], { partitions: 2 });
  const kafka = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [...Array(5)].map((_, index) => ({ partition: index % 2, value: 'x' })) });
  await producer.disconnect();
  const admin = kafka.admin();
  await admin.connect();
  await admin.setOffsets({ groupId: `group-${topic}`, topic, partitions: [{ partition: 0, offset: '1' }] });
  await admin.disconnect();
  const groups = await topics.groups([topic]);
  expect(groups.filter(({ group }) => group === `group-${topic}`)).toEqual([{ group: `group-${topic}`, state: 'Empty', members: 0, lag: { [topic]: 4 } }]);
});

test('a Kafka that is away is an error, not an empty answer', async () => {
  const away = new TopicAdmin({ clientId: 'test', brokers: ['127.0.0.1:1'] });
  await expect(away.list(names)).rejects.toThrow(/ECONNREFUSED|Connection/);
  await away.close();
});
