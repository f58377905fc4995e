import type { Payload, Topic } from '@nightshift/contracts';
import { madeAtMs } from '@nightshift/std';

const STALE_MS = 10_000;

/** A message as it stands on the bus, before anybody has looked into it. */
export interface RawMessage {
  /** The event's id; the same when the event is published again. */
  readonly id: string;
  /** Name on the bus, with its pool. */
  readonly topic: string;
  readonly key: string;
  /** The payload, or its JSON text where the bus carries bytes. */
  readonly value: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** A message whose payload fits its topic's schema. */
export interface Message<T extends Topic = Topic> {
  readonly id: string;
  readonly payload: Payload<T>;
  /** W3C trace context of whoever caused it. */
  readonly traceparent: string | undefined;
}

/** Whether a message has waited for so long, as where a pool had no processes, that what it orders may not be wanted any more. */
export function isStale({ id }: Pick<Message, 'id'>): boolean {
  return Date.now() - madeAtMs(id) > STALE_MS;
}

/** Names of the headers every message carries. */
export const HEADERS = { id: 'event-id', schema: 'schema-version', traceparent: 'traceparent' } as const;
