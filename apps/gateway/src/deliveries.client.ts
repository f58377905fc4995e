import { DeliveryDetail, DeliveryList, EndpointList, InternalRedelivered, type InternalRedeliver, InternalRedeliveredMany, type InternalRedeliverMany, type ListDeliveries } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';

/** The owner of webhook deliveries, on behalf of an organisation. */
export class DeliveriesClient {
  readonly #client: InternalClient;

  constructor(client: InternalClient) {
    this.#client = client;
  }

  list(orgId: string, query: ListDeliveries): Promise<DeliveryList> {
    const given = Object.entries({ ...query, orgId }).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]]));
    return this.#client.call({ method: 'GET', path: `/internal/webhooks/deliveries?${new URLSearchParams(given)}` }, DeliveryList);
  }

  get(id: string, orgId: string): Promise<DeliveryDetail> {
    return this.#client.call({ method: 'GET', path: `${pathOf(id)}?${new URLSearchParams({ orgId })}` }, DeliveryDetail);
  }

  redeliver(id: string, body: InternalRedeliver): Promise<InternalRedelivered> {
    return this.#client.call({ method: 'POST', path: `${pathOf(id)}/redeliver`, body }, InternalRedelivered);
  }

  redeliverMany(body: InternalRedeliverMany): Promise<InternalRedeliveredMany> {
    return this.#client.call({ method: 'POST', path: '/internal/webhooks/redeliver', body }, InternalRedeliveredMany);
  }

  endpoints(orgId: string): Promise<EndpointList> {
    return this.#client.call({ method: 'GET', path: `/internal/webhooks/endpoints?${new URLSearchParams({ orgId })}` }, EndpointList);
  }
}

function pathOf(id: string): string {
  return `/internal/webhooks/deliveries/${encodeURIComponent(id)}`;
}
