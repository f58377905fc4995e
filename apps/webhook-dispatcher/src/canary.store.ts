import type { CanarySent, InternalSendCanary, InternalTestSubscription } from '@nightshift/contracts';
import { toSubscription } from './announcement.ts';
import { endpointOf, laneOf, type NewDelivery } from './delivery.ts';
import type { DeliveryLoop } from './delivery.loop.ts';
import type { DeliveryStore } from './delivery.store.ts';
import type { SubscriptionStore } from './subscription.store.ts';

type Kind = CanarySent['payload']['kind'];
type Target = Pick<NewDelivery, 'target' | 'subscriptionId' | 'url' | 'egressAllow' | 'lane'>;

/** Deliveries of no run, to try an endpoint with. */
export class Canaries {
  readonly #deliveries: DeliveryStore;
  readonly #subscriptions: SubscriptionStore;
  readonly #loop: DeliveryLoop;

  constructor(deliveries: DeliveryStore, subscriptions: SubscriptionStore, loop: DeliveryLoop) {
    this.#deliveries = deliveries;
    this.#subscriptions = subscriptions;
    this.#loop = loop;
  }

  /** To any address, unsigned. */
  send({ orgId, deliveryId, callbackUrl: url, egressAllow, traceparent }: InternalSendCanary): Promise<CanarySent> {
    return this.#send('canary', { orgId, deliveryId, traceparent }, { target: 'canary', subscriptionId: null, url, egressAllow, lane: laneOf(orgId, endpointOf(url)) });
  }

  /** To a subscription, signed and with its headers, in a lane of its own: also to one that is disabled, or whose deliveries wait. */
  async test(id: string, { orgId, deliveryId, traceparent }: InternalTestSubscription): Promise<CanarySent> {
    const subscription = await this.#subscriptions.get(orgId, id);
    return this.#send('test', { orgId, deliveryId, traceparent }, { ...toSubscription(orgId, subscription), lane: laneOf(orgId, `${id} test`) });
  }

  async #send(kind: Kind, { orgId, deliveryId, traceparent }: InternalTestSubscription, target: Target): Promise<CanarySent> {
    const payload = { kind, ts: new Date().toISOString(), orgId };
    const inserted = await this.#deliveries.insert({ ...target, id: deliveryId, orgId, runId: null, event: kind, traceparent, body: JSON.stringify(payload), completedAt: null });
    if (inserted) this.#loop.expect(1);
    return { deliveryId, callbackUrl: target.url, status: 'queued', payload };
  }
}
