import type { Database } from '@nightshift/postgres';
import { DURATIONS } from './run.sql.ts';

const RUNS = 2000;
const FRESH_MS = 5000;

/** How long runs take, so that clients can be told when to come back. */
export class RecentDurations {
  readonly #db: Database;
  /** Engines that were not used lately keep what was seen last. */
  readonly #medians = new Map<string, number>();
  #freshUntilMs = 0;
  #refreshing: Promise<void> | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Median milliseconds from creation to success by engine, of the 2,000 runs that ended last; up to 5 s old. */
  async medians(): Promise<Record<string, number>> {
    if (performance.now() >= this.#freshUntilMs) await (this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined)));
    return Object.fromEntries(this.#medians);
  }

  async #refresh(): Promise<void> {
    for (const { engine, medianMs } of await this.#db.query<{ engine: string; medianMs: number }>(DURATIONS, [RUNS])) this.#medians.set(engine, medianMs);
    this.#freshUntilMs = performance.now() + FRESH_MS;
  }
}
