import type { Database } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { toSubscription } from './announcement.ts';
import { endpointOf } from './delivery.ts';
import { INSERT } from './delivery.sql.ts';
import { ANNOUNCED, DISABLE_FAILING, EXPIRE, FORGET_ENDPOINTS, OTHERS, TO_ANNOUNCE } from './endpoint.sql.ts';

/** For how many days every attempt fails before a subscription is disabled, and what waits for a callback is given up. */
const FAILING_DAYS = 5;
const ROWS_MAX = 100;

/** What its organisation's other subscriptions are told of. */
export const DISABLED_EVENT = 'webhook.endpoint_disabled';

/** A subscription that the server has disabled, and how many others are told of it. */
export interface Disabled {
  readonly id: string;
  readonly orgId: string;
  readonly callbackUrl: string;
  readonly disabledReason: 'gone' | 'failing';
  readonly disabledAt: Date;
  readonly told: number;
}

type Other = Readonly<{ id: string; orgId: string; callbackUrl: string }>;

/** How endpoints fare, beyond single attempts. */
export class EndpointStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Disables a batch of subscriptions that have failed for days; returns how many. */
  async disableFailing(): Promise<number> {
    return (await this.#db.query(DISABLE_FAILING, [FAILING_DAYS, ROWS_MAX])).length;
  }

  /** Makes deliveries that tell of subscriptions which the server has disabled, once each. Returns those subscriptions. */
  announce(traceparent: () => string): Promise<Disabled[]> {
    return this.#db.transaction(async (query) => {
      const disabled = await query<Omit<Disabled, 'told'>>(TO_ANNOUNCE, [ROWS_MAX]);
      if (disabled.length === 0) return [];
      const others = Map.groupBy(await query<Other>(OTHERS, [[...new Set(disabled.map(({ orgId }) => orgId))]]), ({ orgId }) => orgId);
      const rows = disabled.flatMap((one) => (others.get(one.orgId) ?? []).map((other) => noticeOf(one, other, traceparent())));
      if (rows.length > 0) await query(INSERT, [JSON.stringify(rows)]);
      await query(ANNOUNCED, [disabled.map(({ id }) => id)]);
      return disabled.map((one) => ({ ...one, told: others.get(one.orgId)?.length ?? 0 }));
    });
  }

  /** Ends a batch of deliveries that nobody will attempt: of subscriptions disabled for `days`, and of callbacks that fail for good. Returns how many. */
  async expire(days: number, limit: number): Promise<number> {
    return (await this.#db.query(EXPIRE, [days, FAILING_DAYS, limit])).length;
  }

  /** Deletes a batch of what is remembered of endpoints and not needed any more; returns how many. */
  async forget(days: number, limit: number): Promise<number> {
    return (await this.#db.query(FORGET_ENDPOINTS, [days, limit])).length;
  }
}

function noticeOf({ id, orgId, callbackUrl, disabledReason, disabledAt }: Omit<Disabled, 'told'>, other: Other, traceparent: string): object {
  const payload = { kind: DISABLED_EVENT, ts: disabledAt.toISOString(), orgId, subscription: { id, callbackUrl, disabledReason, disabledAt: disabledAt.toISOString() } };
  const target = toSubscription(orgId, other);
  return { ...target, id: newId('whd'), orgId, runId: null, event: DISABLED_EVENT, endpoint: endpointOf(target.url), traceparent, body: JSON.stringify(payload), completedAt: disabledAt.toISOString() };
}
