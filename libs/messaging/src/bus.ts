import type { Topic } from '@nightshift/contracts';
import type { CheckResult } from '@nightshift/runtime';
import type { RawMessage } from './message.ts';

/** An event to publish. */
export interface BusEvent {
  readonly id: string;
  readonly topic: Topic;
  readonly pool: string;
  readonly key: string;
  readonly payload: unknown;
  readonly traceparent: string | undefined;
}

/** Who receives what. */
export interface Subscription {
  /** The consumer group: each of its members gets a part of the messages. */
  readonly group: string;
  /** Names on the bus. */
  readonly topics: readonly string[];
  /** How long messages may gather in the brokers before they are delivered, in milliseconds: where nobody waits for them, larger batches cost less. */
  readonly gatherMs?: number | undefined;
  /** Handles a batch; resolves when every message is committed or dead-lettered, rejects only when `signal` is aborted. */
  readonly deliver: (batch: readonly RawMessage[], signal: AbortSignal) => Promise<void>;
  /** Called when messages may have passed unseen: at the first start, and when the group's offsets are gone. */
  readonly onGap: () => void;
}

/** A running subscription. */
export interface Subscribed {
  /** True once messages have been assigned to this member for the first time. */
  assigned(): boolean;
  /** Takes no more, and waits for what is being handled. */
  close(): Promise<void>;
}

/** The bus will never take this event, as large as it is. */
export class EventRefused extends Error {}

/** What carries events between the apps: Kafka, or the process itself. */
export interface Bus {
  /** Resolves when the bus has the event for good: stored by the brokers, or committed by every consumer in the process. */
  publish(event: BusEvent): Promise<void>;
  subscribe(subscription: Subscription): Promise<Subscribed>;
  health(): CheckResult[];
  close(): Promise<void>;
}
