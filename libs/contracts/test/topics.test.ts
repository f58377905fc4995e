import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { poolOfTopic, type Topic, topicName, topicOf, TOPICS } from '@nightshift/contracts';

const folder = new URL('recorded/', import.meta.url);
const recorded = readdirSync(folder).map((file) => {
  const [, topic, version] = /^(.+)\.v(\d+)\.json$/.exec(file) ?? [];
  return { file, topic: topic as Topic, version: Number(version), payloads: JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as unknown[] };
});
const topics = Object.keys(TOPICS) as Topic[];

describe('payloads of earlier releases', () => {
  test('are recorded of every topic in its present version', () => {
    expect(recorded.map(({ topic, version }) => `${topic} ${version}`).toSorted()).toEqual(expect.arrayContaining(topics.map((topic) => `${topic} ${TOPICS[topic].version}`)));
  });

  test.each(recorded)('are still read, and nothing in them is lost: $file', ({ topic, payloads }) => {
    expect(payloads.length).toBeGreaterThan(0);
    for (const payload of payloads) expect(TOPICS[topic].schema.parse(payload)).toEqual(payload);
  });

  test.each(recorded)('may carry what a later release adds: $file', ({ topic, payloads }) => {
    for (const payload of payloads) expect(TOPICS[topic].schema.safeParse({ ...(payload as object), addedLater: { deep: true } }).success).toBe(true);
  });

  test.each(recorded)('without one of their ids are refused: $file', ({ topic, payloads }) => {
    for (const payload of payloads) {
      const { runId: _, ...rest } = payload as { runId: string };
      expect(TOPICS[topic].schema.safeParse(rest).success).toBe(false);
    }
  });
});

describe('a topic’s name on the bus', () => {
  test.each(topics)('stands for it, in every pool: %s', (topic) => {
    for (const pool of ['shared', 'acme', 'a-1']) expect(topicOf(topicName(topic, pool))).toBe(topic);
  });

  test('has the pool at its end only where pools have topics of their own', () => {
    expect([topicName('run.commanded', 'shared'), topicName('run.commanded', 'acme'), topicName('run.finished', 'acme')]).toEqual(['run.commanded', 'run.commanded.acme', 'run.finished']);
  });

  test('tells the pool', () => {
    expect(['acme', 'shared', 'a-1'].map((pool) => poolOfTopic(topicName('tool.commanded', pool)))).toEqual(['acme', 'shared', 'a-1']);
  });

  test.each(['', 'run', 'run.unheard', 'constructor', '__proto__', 'runs.commanded'])('that is none stands for nothing: "%s"', (name) => {
    expect(topicOf(name)).toBeUndefined();
  });
});

test('the topics, who writes them and who reads them, are those of the architecture', () => {
  expect(Object.fromEntries(topics.map((topic) => [topic, `${TOPICS[topic].from.join()} → ${TOPICS[topic].to.join()}${TOPICS[topic].perPool ? ' per pool' : ''}`]))).toEqual({
    'run.commanded': 'runs → engine-orchestrator per pool',
    'tool.commanded': 'engine-orchestrator → tool-executor per pool',
    'tool.completed': 'tool-executor → engine-orchestrator per pool',
    'run.progressed': 'engine-orchestrator → runs',
    'run.finished': 'runs → webhook-dispatcher,billing',
    'usage.recorded': 'engine-orchestrator → billing',
  });
});
