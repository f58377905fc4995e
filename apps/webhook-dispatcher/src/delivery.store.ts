import type { FinishedBody, RunFinished } from '@nightshift/contracts';
import { type Claimed, type Database, flusher } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { CALLBACK_TARGET, type Delivery, endpointOf, eventOf, laneOf, type Verdict } from './delivery.ts';
import { COMMIT, FORGET, INSERT, MISSING } from './delivery.sql.ts';
import type { AttemptOutcome } from './endpoint.client.ts';
import { payloadOf } from './payload.ts';

/** A delivery as a claim returns it. */
export type ClaimedDelivery = Delivery & Claimed;

/** A run that has ended and that somebody wants to hear of. */
export interface Announced {
  readonly run: Omit<RunFinished, 'body'> & { readonly callbackUrl: string };
  readonly body: FinishedBody;
  readonly traceparent: string;
}

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
  /** Inserts the delivery to a run's callback; false if there is one already. */
  readonly insert: (announced: Announced) => Promise<boolean>;
  /** Ends an attempt and records it. */
  readonly commit: (ending: Ending) => Promise<Written>;

  constructor(db: Database) {
    this.#db = db;
    this.insert = flusher<Announced, boolean>((rows) => this.#insertMany(rows), INSERT_ROWS_MAX);
    this.commit = flusher<Ending, Written>((endings) => this.#commitMany(endings));
  }

  async #insertMany(announced: readonly Announced[]): Promise<boolean[]> {
    const rows = announced.map(({ run, body, traceparent }) => {
      const { orgId, runId, callbackUrl: url, egressAllow = [] } = run;
      const endpoint = endpointOf(url);
      const fixed = { target: CALLBACK_TARGET, event: eventOf(run.status), body: JSON.stringify(payloadOf(run, body)) };
      return { id: newId('whd'), orgId, runId, endpoint, url, egressAllow, traceparent, lane: laneOf(orgId, endpoint), ...fixed };
    });
    const written = new Set((await this.#db.query<{ id: string }>(INSERT, [JSON.stringify(rows)])).map((row) => row.id));
    return rows.map((row) => written.has(row.id));
  }

  /** Which of the runs have no delivery to their callback yet. */
  async missing(runIds: readonly string[]): Promise<Set<string>> {
    if (runIds.length === 0) return new Set();
    return new Set((await this.#db.query<{ runId: string }>(MISSING, [CALLBACK_TARGET, runIds])).map((row) => row.runId));
  }

  async #commitMany(endings: readonly Ending[]): Promise<Written[]> {
    const rows = endings.map(({ delivery: { id, epoch }, verdict, attempt }) => ({
      id,
      epoch,
      ...verdict,
      made: attempt !== undefined,
      ...(attempt && {
        startedAt: attempt.startedAt,
        durationMs: attempt.outcome.durationMs,
        responseStatus: attempt.outcome.status,
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
