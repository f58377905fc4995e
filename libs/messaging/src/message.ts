import type { Payload, Topic } from '@nightshift/contracts';

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

/** Names of the headers every message carries. */
export const HEADERS = { id: 'event-id', schema: 'schema-version', traceparent: 'traceparent' } as const;
