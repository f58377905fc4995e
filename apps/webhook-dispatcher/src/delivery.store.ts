import { type Claimed, type Database, flusher } from '@nightshift/postgres';
import { type Delivery, endpointOf, type NewDelivery, type Verdict } from './delivery.ts';
import { COMMIT, FORGET, INSERT, MISSING } from './delivery.sql.ts';
import type { AttemptOutcome } from './endpoint.client.ts';

/** A delivery as a claim returns it. */
export type ClaimedDelivery = Delivery & Claimed;

/** A run and whom it is told to. */
export type RunAndTarget = Readonly<{ runId: string; target: string }>;

/** How an attempt ended; without `attempt` none was made. */
export interface Ending {
  readonly delivery: ClaimedDelivery;
  readonly verdict: Verdict;
  readonly attempt?: { readonly startedAt: Date; readonly outcome: AttemptOutcome };
}

/** What came of writing an ending. `laneWaits`: more of the same lane is due. */
export interface Written {
  readonly isOurs: boolean;
  readonly laneWaits: boolean;
}

// Bodies may be large: a statement carries few enough to stay in bounds.
const INSERT_ROWS_MAX = 64;

/** Deliveries and their attempts. */
export class DeliveryStore {
  readonly #db: Database;
  /** Inserts a delivery; false if its run and target have one already, or its subscription takes none. */
  readonly insert: (delivery: NewDelivery) => Promise<boolean>;
  /** Ends an attempt and records it. */
  readonly commit: (ending: Ending) => Promise<Written>;

  constructor(db: Database) {
    this.#db = db;
    this.insert = flusher<NewDelivery, boolean>((rows) => this.#insertMany(rows), INSERT_ROWS_MAX);
    this.commit = flusher<Ending, Written>((endings) => this.#commitMany(endings));
  }

  async #insertMany(deliveries: readonly NewDelivery[]): Promise<boolean[]> {
    const rows = deliveries.map((delivery) => ({ ...delivery, endpoint: endpointOf(delivery.url) }));
    const written = new Set((await this.#db.query<{ id: string }>(INSERT, [JSON.stringify(rows)])).map((row) => row.id));
    return rows.map((row) => written.has(row.id));
  }

  /** The runs and targets that have no delivery yet. */
  async missing(wanted: readonly RunAndTarget[]): Promise<RunAndTarget[]> {
    if (wanted.length === 0) return [];
    return this.#db.query<RunAndTarget>(MISSING, [wanted.map(({ runId }) => runId), wanted.map(({ target }) => target)]);
  }

  async #commitMany(endings: readonly Ending[]): Promise<Written[]> {
    const rows = endings.map(({ delivery: { id, epoch, subscription }, verdict, attempt }) => ({
      id,
      epoch,
      ...verdict,
      ...(subscription?.ordered && verdict.status === 'pending' && { keepsPlace: true, laneDelayMs: verdict.delayMs }),
      made: attempt !== undefined,
      ...(attempt && {
        startedAt: attempt.startedAt,
        durationMs: attempt.outcome.durationMs,
        responseStatus: attempt.outcome.status,
        requestHeaders: attempt.outcome.requestHeaders,
        responseHeaders: attempt.outcome.responseHeaders,
        responseBody: attempt.outcome.responseBody,
      }),
    }));
    const written = new Map((await this.#db.query<{ id: string; laneWaits: boolean }>(COMMIT, [JSON.stringify(rows)])).map((row) => [row.id, row.laneWaits]));
    return endings.map(({ delivery: { id } }) => ({ isOurs: written.has(id), laneWaits: written.get(id) ?? false }));
  }

  /** Deletes a batch of deliveries that ended long ago; returns how many. */
  async forget(days: number, limit: number): Promise<number> {
    return (await this.#db.query(FORGET, [days, limit])).length;
  }
}
