import type { RunFinished, WebhookEventType } from '@nightshift/contracts';
import { isDeepStrictEqual } from 'node:util';
import { type RunEvent, eventOf } from './delivery.ts';
import type { Subscription } from './subscription.ts';

/** What has to be known of a subscription to say which runs it hears of. */
export type Subscriber = Pick<Subscription, 'id' | 'callbackUrl' | 'eventTypes' | 'filters' | 'activeSince'>;

/** How a subscription wants to be told of an event, if at all: by the alias only if it names nothing but the alias. */
export function eventFor({ eventTypes }: Pick<Subscriber, 'eventTypes'>, event: RunEvent): WebhookEventType | undefined {
  if (eventTypes.includes(event)) return event;
  return event === 'job.succeeded' && eventTypes.includes('job.completed') ? 'job.completed' : undefined;
}

/** Whether a subscription may want to hear of a run, as far as that can be told without the run's metadata. */
export function mayWant(subscriber: Subscriber, run: Pick<RunFinished, 'status' | 'engine' | 'completedAt'>): boolean {
  const { engines } = subscriber.filters;
  return eventFor(subscriber, eventOf(run.status)) !== undefined && (engines === undefined || engines.includes(run.engine)) && new Date(run.completedAt) >= subscriber.activeSince;
}

/** Whether a run's metadata is what a subscription asks for. */
export function wantsMetadata({ filters }: Subscriber, metadata: Readonly<Record<string, unknown>> | null): boolean {
  return Object.entries(filters.metadata ?? {}).every(([key, value]) => metadata !== null && Object.hasOwn(metadata, key) && isDeepStrictEqual(metadata[key], value));
}
