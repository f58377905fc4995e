import { AppError, type Delivery, type DeliveryCount, type DeliveryDetail, type DeliveryFilter, type DeliveryList, type EndpointList, type InternalListDeliveries, type InternalRedeliver, type InternalRedeliverMany } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { countSendable, ENDPOINTS, FIND, FIND_WHOLE, listDeliveries, REDELIVER, redeliverMany } from './delivery-reader.sql.ts';
import { cursorOf, type DeliveryRow, deliveryView, detailView, type EndpointRow, endpointView, readCursor, type WholeDeliveryRow } from './delivery-view.ts';
import { RESUME_LANES } from './endpoint.sql.ts';
import type { IdempotencyStore } from './idempotency.store.ts';

/** How many deliveries one request may send again. */
export const REDELIVERIES_MAX = 100_000;
const ENDPOINTS_MAX = 100;

/** Deliveries as organisations see them, and what they may do with them. */
export class DeliveryReader {
  readonly #db: Database;
  readonly #keys: IdempotencyStore;

  constructor(db: Database, keys: IdempotencyStore) {
    this.#db = db;
    this.#keys = keys;
  }

  /** Newest first. A delivery keeps its place, so pages neither repeat nor miss one while others are made. */
  async list({ orgId, limit, cursor, ...filter }: InternalListDeliveries): Promise<DeliveryList> {
    const before = cursor === undefined ? undefined : readCursor(cursor);
    const rows = await this.#db.query<DeliveryRow>(...listDeliveries(orgId, filter, before, limit + 1));
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return { deliveries: page.map(deliveryView), nextCursor: rows.length > limit && last ? cursorOf(last.id) : null };
  }

  /** One delivery with its attempts; `not_found` for everybody else's. */
  async get(orgId: string, id: string): Promise<DeliveryDetail> {
    const [row] = await this.#db.query<WholeDeliveryRow>(FIND_WHOLE, [orgId, id]);
    if (!row) throw unknown();
    return detailView(row);
  }

  /** Makes a delivery due again under the same id, its schedule begun anew. One whose attempt is under way stays as it is; `conflict` if its subscription is gone. */
  async redeliver(id: string, { orgId, idempotency }: InternalRedeliver): Promise<{ delivery: Delivery; replayed: boolean }> {
    const { reply, replayed } = await this.#keys.once({ orgId, route: `/v1/webhooks/deliveries/${id}/redeliver`, idempotency }, async (query) => {
      await resumeLanes(query, await query<Due>(REDELIVER, [orgId, id]));
      const [row] = await query<DeliveryRow & { sendable: boolean }>(FIND, [orgId, id]);
      if (!row) throw unknown();
      if (!row.sendable) throw new AppError('conflict', { message: 'The subscription of this delivery was deleted, so it cannot be sent again.' });
      return deliveryView(row);
    });
    return { delivery: reply, replayed };
  }

  /** Makes the deliveries of a filter due again, or counts them. Those whose subscription is gone, or whose attempt is under way, do not count. */
  async redeliverMany({ orgId, filter, dryRun, idempotency }: InternalRedeliverMany): Promise<DeliveryCount & { replayed: boolean }> {
    if (dryRun) return { ...(await this.#count(orgId, filter)), replayed: false };
    const { reply, replayed } = await this.#keys.once({ orgId, route: '/v1/webhooks/redeliver', idempotency }, async (query) => {
      const due = await query<Due>(...redeliverMany(orgId, filter, REDELIVERIES_MAX));
      await resumeLanes(query, due);
      return { count: due.length };
    });
    return { ...reply, replayed };
  }

  async #count(orgId: string, filter: DeliveryFilter): Promise<DeliveryCount> {
    const [row] = await this.#db.query<DeliveryCount>(...countSendable(orgId, filter));
    return { count: row?.count ?? 0 };
  }

  /** How an organisation's endpoints have fared in the last 24 hours. */
  async endpoints(orgId: string): Promise<EndpointList> {
    return { endpoints: (await this.#db.query<EndpointRow>(ENDPOINTS, [orgId, ENDPOINTS_MAX])).map(endpointView) };
  }
}

type Due = { readonly lane: string };

/** Who asks for a delivery now does not want to wait for the end of a pause. */
async function resumeLanes(query: Database['query'], due: readonly Due[]): Promise<void> {
  if (due.length > 0) await query(RESUME_LANES, [[...new Set(due.map(({ lane }) => lane))]]);
}

function unknown(): AppError {
  return new AppError('not_found', { message: 'There is no such delivery.' });
}
