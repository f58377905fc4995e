import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { KafkaBus } from '@nightshift/messaging';
import { isInfrastructure } from '@nightshift/postgres';
import { infrastructure, uniqueName, waitFor } from '@nightshift/testing';
import { type Consumer, type ConsumerConfig, Kafka, logLevel } from 'kafkajs';
import type { BusEvent, Subscription } from '../src/bus.ts';
import { KafkaConsumer } from '../src/kafka.consumer.ts';
import { produce } from '../src/kafka.produce.ts';
import type { RawMessage } from '../src/message.ts';
import { silent, stop } from './stage.ts';

const brokers = infrastructure().kafkaBrokers.split(',');
const admin = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING }).admin();
const connected = admin.connect();
const buses: KafkaBus[] = [];

afterEach(async () => void (await Promise.all(buses.splice(0).map((bus) => bus.close()))));
afterAll(async () => {
  await connected;
  await admin.disconnect();
});

function busOf(to: readonly string[] = brokers): KafkaBus {
  const bus = new KafkaBus({ clientId: 'test', brokers: to, sessionTimeoutMs: 6000, log: silent });
  buses.push(bus);
  return bus;
}

/** Every test has a pool, and with it topics, of its own. */
const poolOf = () => uniqueName('p').replaceAll('_', '-');
const event = (pool: string, key: string, more: Partial<BusEvent> = {}): BusEvent => ({ id: `evt_${key}`, topic: 'run.commanded', pool, key, payload: stop(key), traceparent: undefined, ...more });
const keys = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

/** A member of the pool's group; `handle` decides what becomes of a batch. */
async function member(pool: string, handle: (messages: readonly RawMessage[], signal: AbortSignal) => Promise<void> = () => Promise.resolve()) {
  const bus = busOf();
  const seen: RawMessage[] = [];
  let gaps = 0;
  const deliver = async (messages: readonly RawMessage[], signal: AbortSignal): Promise<void> => {
    await handle(messages, signal);
    seen.push(...messages);
  };
  const subscribed = await bus.subscribe({ group: `group.${pool}`, topics: [`run.commanded.${pool}`], onGap: () => void (gaps += 1), deliver });
  return { bus, seen, gaps: () => gaps, keys: () => seen.map(({ key }) => key).toSorted(), ready: () => waitFor(() => subscribed.assigned(), { timeoutMs: 20_000 }), close: () => subscribed.close() };
}

/** A consumer of topics that are there, by a client that is watched. */
const consumerOf = (consumer: (options: ConsumerConfig) => Consumer, subscription: Subscription) =>
  new KafkaConsumer({ kafka: { consumer }, subscription, sessionTimeoutMs: 6000, log: silent, prepare: () => Promise.resolve(), offsets: () => Promise.resolve([]), onTrouble: () => undefined, onHealthy: () => undefined });

/** Resolves only when the signal is aborted, as a delivery does that waits for its infrastructure. */
const never = (_: unknown, signal: AbortSignal): Promise<void> => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }));

describe('kafka', () => {
  test('gets topics with partitions when they are first needed, and carries id, key, version and trace', async () => {
    const pool = poolOf();
    const one = await member(pool);
    await busOf().publish(event(pool, 'a', { traceparent: '00-trace' }));
    await waitFor(() => one.seen.length === 1, { timeoutMs: 20_000 });
    expect(one.seen[0]).toEqual({ id: 'evt_a', topic: `run.commanded.${pool}`, key: 'a', value: JSON.stringify(stop('a')), headers: { 'event-id': 'evt_a', 'schema-version': '1', traceparent: '00-trace' } });
    const { topics } = await admin.fetchTopicMetadata({ topics: [`run.commanded.${pool}`] });
    expect(topics[0]!.partitions).toHaveLength(12);
    expect(one.bus.health()).toEqual([]);
  });

  test('shares a group’s messages among its members, and gives those of one that leaves to the others', async () => {
    const pool = poolOf();
    const [first, second] = [await member(pool), await member(pool)];
    await Promise.all([first.ready(), second.ready()]);
    const bus = busOf();
    let sent = 0;
    // The second member may join a moment after the first: messages go on until both have some.
    await waitFor(async () => {
      await Promise.all(keys(`r${sent++}.`, 24).map((key) => bus.publish(event(pool, key))));
      return first.seen.length > 0 && second.seen.length > 0;
    }, { timeoutMs: 20_000 });
    await first.close();
    await Promise.all(keys('last', 24).map((key) => bus.publish(event(pool, key))));
    const all = () => new Set([...first.keys(), ...second.keys()]);
    await waitFor(() => all().size === sent * 24 + 24, { timeoutMs: 20_000 });
    expect(second.keys().filter((key) => key.startsWith('last'))).toHaveLength(24);
  }, 60_000);

  test('does not move past a batch that waits: the next member gets it', async () => {
    const pool = poolOf();
    const waiting = await member(pool, never);
    await waiting.bus.publish(event(pool, 'a'));
    await waiting.ready();
    await waiting.close();
    expect(waiting.seen).toEqual([]);
    const next = await member(pool);
    await waitFor(() => next.seen.length === 1, { timeoutMs: 20_000 });
    expect(next.keys()).toEqual(['a']);
  }, 60_000);

  test('does not repeat what was read before an orderly end, and tells of a gap only where no offset is known', async () => {
    const pool = poolOf();
    const first = await member(pool);
    await waitFor(() => first.gaps() > 0, { timeoutMs: 20_000 });
    const bus = busOf();
    await Promise.all(keys('a', 60).map((key) => bus.publish(event(pool, key))));
    await waitFor(() => new Set(first.keys()).size === 60, { timeoutMs: 20_000 });
    await first.close();
    const second = await member(pool);
    await second.ready();
    await Promise.all(keys('b', 60).map((key) => bus.publish(event(pool, key))));
    await waitFor(() => new Set(second.keys()).size >= 60, { timeoutMs: 20_000 });
    expect([...new Set(second.keys())]).toEqual(keys('b', 60).toSorted());
    expect(second.gaps()).toBe(0);
  }, 60_000);

  test('commits later what could not be committed, though no other message comes', async () => {
    const pool = poolOf();
    const [group, topic] = [`group.${pool}`, `run.commanded.${pool}`];
    await busOf().publish(event(pool, 'a'));
    const kafka = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });
    let refused = 0;
    const refusing = (options: ConsumerConfig): Consumer => {
      const consumer = kafka.consumer(options);
      return { ...consumer, commitOffsets: (offsets) => (refused++ === 0 ? Promise.reject(new Error('not now')) : consumer.commitOffsets(offsets)) };
    };
    const offsets = async () => (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0]!.partitions.map(({ offset }) => offset);
    const consumer = consumerOf(refusing, { group, topics: [topic], onGap: () => undefined, deliver: () => Promise.resolve() });
    const consumed = consumer.runUntilCrash();
    await waitFor(async () => (await offsets()).includes('1'), { timeoutMs: 20_000 });
    expect(refused).toBeGreaterThan(1);
    await consumer.close();
    await consumed;
  }, 60_000);

  test('delivers what nobody waits for when it has gathered, in one answer of the brokers', async () => {
    const pool = poolOf();
    const topic = `run.commanded.${pool}`;
    const bus = busOf();
    await bus.publish(event(pool, 'before'));
    let answers = 0;
    const kafka = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });
    const watched = (options: ConsumerConfig): Consumer => {
      expect(options.maxWaitTimeInMs).toBe(4000);
      const made = kafka.consumer(options);
      made.on('consumer.fetch', () => void (answers += 1));
      return made;
    };
    const inAnswer = new Map<string, number>();
    const deliver = async (batch: readonly RawMessage[]) => batch.forEach(({ key }) => inAnswer.set(key, answers));
    const consumer = consumerOf(watched, { group: uniqueName('group'), topics: [topic], gatherMs: 4000, onGap: () => undefined, deliver });
    const consumed = consumer.runUntilCrash();
    await waitFor(() => inAnswer.has('before'), { timeoutMs: 20_000 });
    await bus.publish(event(pool, 'small'));
    await bus.publish({ ...event(pool, 'large'), payload: 'x'.repeat(70_000) });
    await waitFor(() => inAnswer.has('small') && inAnswer.has('large'));
    expect(inAnswer.get('small')).toBe(inAnswer.get('large'));
    expect(inAnswer.get('small')).toBeGreaterThan(inAnswer.get('before') ?? Infinity);
    await consumer.close();
    await consumed;
  }, 60_000);

  test('takes events that are too large together', async () => {
    const pool = poolOf();
    const bus = busOf();
    await bus.publish(event(pool, 'first'));
    const engine = 'x'.repeat(60_000);
    await Promise.all(keys('r', 40).map((id) => bus.publish(event(pool, 'same', { id, payload: { ...stop('same'), engine } }))));
    const one = await member(pool);
    await waitFor(() => new Set(one.seen.map(({ id }) => id)).size === 41, { timeoutMs: 20_000 });
    expect(one.bus.health()).toEqual([]);
  });

  test('refuses an event that is too large alone, never with its batch', async () => {
    const pool = poolOf();
    const one = await member(pool);
    await one.ready();
    const bus = busOf();
    await bus.publish(event(pool, 'first'));
    const large = event(pool, 'large', { payload: { ...stop('large'), engine: 'x'.repeat(3_000_000) } });
    const results = await Promise.allSettled([bus.publish(event(pool, 'a')), bus.publish(large), bus.publish(event(pool, 'b'))]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await waitFor(() => new Set(one.keys()).size === 3);
    expect(one.bus.health()).toEqual([]);
  }, 60_000);

  test('that does not let us make a topic keeps that topic’s events waiting, and nobody else’s', async () => {
    const pool = poolOf();
    const one = await member(pool);
    const results = await Promise.allSettled([one.bus.publish(event(pool, 'a')), one.bus.publish(event('no name for a topic', 'refused')), one.bus.publish(event(pool, 'b'))]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(isInfrastructure((results[1] as PromiseRejectedResult).reason)).toBe(true);
    await one.bus.publish(event(pool, 'c'));
    await waitFor(() => new Set(one.keys()).size === 3);
    expect(one.bus.health()).toEqual([]);
  }, 60_000);

  test('that refuses what is sent to one topic stores what is sent to the others', async () => {
    const [open, closed] = [uniqueName('open'), uniqueName('closed')];
    // A compacted topic takes no message without a key.
    const topics = [{ topic: open }, { topic: closed, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }];
    await connected;
    await admin.createTopics({ topics, waitForLeaders: true });
    const producer = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING }).producer();
    await producer.connect();
    const messages = [{ key: null, value: 'x' }];
    const refused = await produce(producer, [{ topic: closed, messages }, { topic: open, messages }], () => new Set([0])).finally(() => producer.disconnect());
    expect([...refused.keys()]).toEqual([closed]);
    const ends = async (topic: string) => (await admin.fetchTopicOffsets(topic)).map(({ high }) => Number(high));
    expect([await ends(closed), (await ends(open)).some((end) => end > 0)]).toEqual([[0], true]);
  }, 60_000);

  test('that miss a topic which we may not make again store what is sent to others', async () => {
    const [gone, next] = [poolOf(), poolOf()];
    const bus = busOf();
    await bus.publish(event(gone, 'a'));
    await connected;
    await admin.deleteTopics({ topics: [`run.commanded.${gone}`] });
    // A name that differs in its dots alone is refused while this one is there.
    await admin.createTopics({ topics: [{ topic: `run_commanded_${gone}` }], waitForLeaders: false });
    await waitFor(() => bus.publish(event(gone, 'b')).then(() => false, () => true));
    await waitFor(() => bus.publish(event(next, 'c')).then(() => true, () => false), { timeoutMs: 20_000 });
    await expect(bus.publish(event(next, 'd'))).resolves.toBeUndefined();
  }, 60_000);

  test('that cannot be reached is infrastructure, and /ready says that it is missing', async () => {
    const bus = busOf(['127.0.0.1:1']);
    const err: unknown = await bus.publish(event('shared', 'a')).catch((failure: unknown) => failure);
    expect(isInfrastructure(err)).toBe(true);
    expect(bus.health()).toEqual([{ state: 'degraded', missing: 'kafka' }]);
  });
});
