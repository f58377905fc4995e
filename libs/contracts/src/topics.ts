import type { z } from 'zod';
import { RunCommanded } from './events/run-commanded.ts';
import { RunFinished } from './events/run-finished.ts';
import { RunProgressed } from './events/run-progressed.ts';
import { ToolCommanded } from './events/tool-commanded.ts';
import { ToolCompleted } from './events/tool-completed.ts';
import { UsageRecorded } from './events/usage-recorded.ts';
import { SHARED_POOL } from './http/pool.ts';

/** Partitions of every topic we create. */
export const TOPIC_PARTITIONS = 12;

/** The largest body an event carries, in bytes of JSON; what is larger is fetched from its owner over HTTP. */
export const EVENT_BODY_BYTES_MAX = 64 * 1024;

/**
 * Every topic: the schema of its payload, that schema's version, and who talks to whom.
 * A key only spreads load: no order is assumed within or across topics.
 * `perPool` topics exist once per pool, with `.<pool>` at the end for all but `shared`.
 */
export const TOPICS = {
  'run.commanded': { schema: RunCommanded, version: 1, perPool: true, from: ['runs'], to: ['engine-orchestrator'] },
  'tool.commanded': { schema: ToolCommanded, version: 1, perPool: true, from: ['engine-orchestrator'], to: ['tool-executor'] },
  'tool.completed': { schema: ToolCompleted, version: 1, perPool: true, from: ['tool-executor'], to: ['engine-orchestrator'] },
  'run.progressed': { schema: RunProgressed, version: 1, perPool: false, from: ['engine-orchestrator'], to: ['runs'] },
  'run.finished': { schema: RunFinished, version: 1, perPool: false, from: ['runs'], to: ['webhook-dispatcher', 'billing'] },
  'usage.recorded': { schema: UsageRecorded, version: 1, perPool: false, from: ['engine-orchestrator'], to: ['billing'] },
} as const;

/** The name of a topic without its pool. */
export type Topic = keyof typeof TOPICS;

/** The payload of a topic. */
export type Payload<T extends Topic> = z.infer<(typeof TOPICS)[T]['schema']>;

/** The topic's name on the bus for a pool. */
export function topicName(topic: Topic, pool: string): string {
  return TOPICS[topic].perPool && pool !== SHARED_POOL ? `${topic}.${pool}` : topic;
}

/** The pool that a name on the bus is of. */
export function poolOfTopic(name: string): string {
  const [, , pool = SHARED_POOL] = name.split('.');
  return pool;
}

/** The topic that a name on the bus stands for. */
export function topicOf(name: string): Topic | undefined {
  const base = name.split('.').slice(0, 2).join('.');
  return Object.hasOwn(TOPICS, base) ? (base as Topic) : undefined;
}
