import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Kafka, logLevel } from 'kafkajs';
import { judge } from './history.ts';
import { underLoad } from './load.ts';
import { environmentOf, pidOf } from './processes.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

type DeadLetter = { id: string; service: string; topic: string; payload: string; error: string; attempts: number };
type Filter = { service?: string; topic?: string; ids?: string[] };

const partitions = 12;
/** Who has to notice a message that cannot be read, by topic. */
const consumers: Record<string, string[]> = {
  'run.commanded': ['engine-orchestrator'],
  'tool.commanded': ['tool-executor'],
  'tool.completed': ['engine-orchestrator'],
  'run.progressed': ['runs'],
  'run.finished': ['billing', 'webhook-dispatcher'],
  'usage.recorded': ['billing'],
};

jest.setTimeout(300_000);

describe('a message that nobody can handle in the cluster', () => {
  const on = stage('cluster');

  /** Puts the same bytes into every partition of the topics, beside the product's own messages. */
  async function poison(topics: readonly string[], value: string | null): Promise<void> {
    const brokers = environmentOf(pidOf(on.product.dataDir, 'runs-1'))['KAFKA_BROKERS']?.split(',') ?? [];
    const producer = new Kafka({ clientId: 'poison', brokers, logLevel: logLevel.NOTHING }).producer();
    await producer.connect();
    try {
      const messages = Array.from({ length: partitions }, (_, partition) => ({ partition, key: `poison-${partition}`, value }));
      await producer.sendBatch({ topicMessages: topics.map((topic) => ({ topic, messages })) });
    } finally {
      await producer.disconnect();
    }
  }

  async function deadLetters(): Promise<DeadLetter[]> {
    const all: DeadLetter[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const reply: { body: { deadLetters: DeadLetter[]; nextCursor: string | null } } =
        await on.admin.call('GET', `/dead-letters${cursor && `?cursor=${encodeURIComponent(cursor)}`}`);
      all.push(...reply.body.deadLetters);
      cursor = reply.body.nextCursor;
    }
    return all;
  }

  async function command(name: 'redrive' | 'drop', filter: Filter, dryRun = false): Promise<{ count: number; failed: number }> {
    const { status, body } = await on.admin.call<{ count: number; failed: number }>('POST', `/dead-letters/${name}`, { body: { filter, dryRun } });
    expect(status).toBe(200);
    return body;
  }

  const becomes = (count: number) =>
    until(async () => (await deadLetters()).length === count, { timeoutMs: 60_000, everyMs: 200, what: () => `${count} dead letters` });

  afterEach(async () => {
    await command('drop', {});
  });

  test('becomes a dead letter of each of its consumers and blocks no partition', async () => {
    const topics = Object.keys(consumers);
    const unreadable = ['not { json', '{"surprise":true}', null];
    const expected = unreadable.length * Object.values(consumers).flat().length * partitions;
    const history = await underLoad(on, async (load) => {
      for (const value of unreadable) await poison(topics, value);
      await load.moreEnded(30);
    }, { count: 20 });
    expect(judge(history)).toEqual([]);
    await becomes(expected);
    const letters = await deadLetters();
    for (const [topic, services] of Object.entries(consumers)) {
      const owners = letters.filter((letter) => letter.topic === topic).map((letter) => letter.service);
      expect([...new Set(owners)].sort()).toEqual(services);
    }
    for (const letter of letters) expect(letter).toMatchObject({ error: expect.stringMatching(/\S/), attempts: expect.any(Number) });
  });

  test('becomes a dead letter when its handler throws each time', async () => {
    const outcome = { kind: 'outcome', runId: 'run_\u0000', step: 1, usage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} } };
    const message = { ...outcome, outcome: { status: 'succeeded', result: { answer: 'x' } } };
    const history = await underLoad(on, async (load) => {
      await poison(['run.progressed'], JSON.stringify(message));
      await load.moreEnded(30);
    }, { count: 20 });
    expect(judge(history)).toEqual([]);
    await becomes(partitions);
    for (const letter of await deadLetters()) expect(letter).toMatchObject({ service: 'runs', topic: 'run.progressed', error: expect.stringMatching(/\S/) });
  });

  test('can be counted, redriven to its consumer, and dropped', async () => {
    await poison(['run.finished'], 'not { json');
    await becomes(2 * partitions);
    const billing = { service: 'billing', topic: 'run.finished' };
    expect((await command('redrive', billing, true)).count).toBe(partitions);
    expect((await command('redrive', billing)).failed).toBe(partitions);
    await becomes(2 * partitions);
    const [first] = (await deadLetters()).filter((letter) => letter.service === 'webhook-dispatcher');
    expect((await command('drop', { ids: [first?.id ?? ''] }, true)).count).toBe(1);
    expect((await command('drop', { ids: [first?.id ?? ''] })).count).toBe(1);
    await becomes(2 * partitions - 1);
    expect((await command('drop', { service: 'webhook-dispatcher' })).count).toBe(partitions - 1);
    await becomes(partitions);
    expect((await command('drop', {})).count).toBe(partitions);
    await becomes(0);
  });
});
