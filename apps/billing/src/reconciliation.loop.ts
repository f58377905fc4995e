import { type Database, isInfrastructure } from '@nightshift/postgres';
import { type Logger, metrics } from '@nightshift/runtime';
import { COUNT_DISAGREEMENTS, RECONCILE } from './reconciliation.sql.ts';

const EVERY_MS = 30_000;
/** Long enough for a turn's usage to come after its run's end. */
const AGE_MS = 300_000;
const SLICE_MS = 600_000;

/** Compares what runs say they used with what was counted. */
export class ReconciliationLoop {
  readonly #db: Database;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #known = 0;

  constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  start(): void {
    const round = (): void => {
      this.compare().catch((err: unknown) => {
        if (!isInfrastructure(err)) this.#log.error({ err }, 'usage could not be compared');
      });
    };
    this.#timer = setInterval(round, EVERY_MS);
    round();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Compares the runs that were counted at least `ageMs` ago and not compared yet; returns how many differ. */
  async compare(ageMs: number = AGE_MS): Promise<number> {
    while ((await this.#db.query<{ isBehind: boolean }>(RECONCILE, [ageMs, SLICE_MS]))[0]?.isBehind === true);
    const runs = (await this.#db.query<{ runs: number }>(COUNT_DISAGREEMENTS))[0]?.runs ?? 0;
    metrics.usageDisagrees.set(runs);
    if (runs > this.#known) this.#log.error({ runs, errorCode: 'usage_disagrees' }, 'counted usage is not what runs say');
    this.#known = runs;
    return runs;
  }
}
