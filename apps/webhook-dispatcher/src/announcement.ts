import type { FinishedBody, RunFinished } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import { CALLBACK_TARGET, endpointOf, eventOf, laneOf, type NewDelivery } from './delivery.ts';
import { payloadOf } from './payload.ts';
import { eventFor, type Subscriber, wantsMetadata } from './subscriber.ts';

/** A run that has ended, as it is announced. */
export type Announced = Omit<RunFinished, 'body'> & { readonly traceparent: string };

/** The deliveries of a run's end: to its own callback, and to those of `subscribers` that ask for such metadata. Their bodies are the same. */
export function deliveriesOf(run: Announced, body: FinishedBody, subscribers: readonly Subscriber[]): NewDelivery[] {
  const { orgId, runId, callbackUrl, egressAllow = [], traceparent, completedAt } = run;
  const event = eventOf(run.status);
  const fixed = { orgId, runId, traceparent, completedAt, body: JSON.stringify(payloadOf(run, body)) };
  const callback = callbackUrl === undefined ? [] : [{ ...fixed, id: newId('whd'), target: CALLBACK_TARGET, subscriptionId: null, event, url: callbackUrl, egressAllow, lane: laneOf(orgId, endpointOf(callbackUrl)) }];
  const subscribed = subscribers.filter((subscriber) => wantsMetadata(subscriber, body.metadata)).flatMap((subscriber) => {
    const name = eventFor(subscriber, event);
    return name === undefined ? [] : [{ ...fixed, ...toSubscription(orgId, subscriber), id: newId('whd'), event: name }];
  });
  return [...callback, ...subscribed];
}

/** What is the same of all deliveries to a subscription. Its address and ranges are looked up at each attempt. */
export function toSubscription(orgId: string, { id, callbackUrl }: Pick<Subscriber, 'id' | 'callbackUrl'>): Pick<NewDelivery, 'target' | 'subscriptionId' | 'url' | 'egressAllow' | 'lane'> {
  return { target: id, subscriptionId: id, url: callbackUrl, egressAllow: [], lane: laneOf(orgId, id) };
}
