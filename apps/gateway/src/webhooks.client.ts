import { CanarySent, type InternalCreateSubscription, type InternalRotateSecret, type InternalSendCanary, type InternalSetEgress, InternalSubscriptionCreated, type InternalTestSubscription, type InternalUpdateSubscription, Subscription, SubscriptionList } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { z } from 'zod';

/** The owner of webhook subscriptions and deliveries, on behalf of an organisation. */
export class WebhooksClient {
  readonly #client: InternalClient;

  constructor(client: InternalClient) {
    this.#client = client;
  }

  create(body: InternalCreateSubscription): Promise<InternalSubscriptionCreated> {
    return this.#client.call({ method: 'POST', path: '/internal/webhooks/subscriptions', body }, InternalSubscriptionCreated);
  }

  list(orgId: string): Promise<SubscriptionList> {
    return this.#client.call({ method: 'GET', path: `/internal/webhooks/subscriptions?${query({ orgId })}` }, SubscriptionList);
  }

  get(id: string, orgId: string): Promise<Subscription> {
    return this.#client.call({ method: 'GET', path: `${pathOf(id)}?${query({ orgId })}` }, Subscription);
  }

  update(id: string, body: InternalUpdateSubscription): Promise<Subscription> {
    return this.#client.call({ method: 'PATCH', path: pathOf(id), body }, Subscription);
  }

  async remove(id: string, orgId: string): Promise<void> {
    await this.#client.call({ method: 'DELETE', path: `${pathOf(id)}?${query({ orgId })}` }, z.unknown());
  }

  rotateSecret(id: string, body: InternalRotateSecret): Promise<Subscription> {
    return this.#client.call({ method: 'POST', path: `${pathOf(id)}/rotate-secret`, body }, Subscription);
  }

  /** Tells what an organisation may reach from now on. */
  async setEgress(body: InternalSetEgress): Promise<void> {
    await this.#client.call({ method: 'POST', path: '/internal/webhooks/egress', body }, z.unknown());
  }

  test(id: string, body: InternalTestSubscription): Promise<CanarySent> {
    return this.#client.call({ method: 'POST', path: `${pathOf(id)}/test`, body }, CanarySent);
  }

  canary(body: InternalSendCanary): Promise<CanarySent> {
    return this.#client.call({ method: 'POST', path: '/internal/webhooks/canary', body }, CanarySent);
  }
}

function pathOf(id: string): string {
  return `/internal/webhooks/subscriptions/${encodeURIComponent(id)}`;
}

function query(values: Record<string, string>): string {
  return new URLSearchParams(values).toString();
}
