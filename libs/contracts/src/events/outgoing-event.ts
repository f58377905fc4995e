import type { Topic } from '../topics.ts';

/** An event that a commit writes. It is published only if the row it belongs to (`ref`) was written. */
export interface OutgoingEvent {
  /** Stays the same however often the event is published. */
  readonly id: string;
  readonly ref: string;
  readonly topic: Topic;
  readonly pool: string;
  readonly key: string;
  readonly payload: unknown;
  /** W3C trace context of whoever caused it. */
  readonly traceparent: string | undefined;
  /** Nobody waits for it: it may be published a moment later, for others to go with. */
  readonly canWait?: true;
}
