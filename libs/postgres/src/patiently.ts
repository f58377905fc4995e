import { backoffMs } from '@nightshift/std';
import { isInfrastructure } from './database.ts';

/** One held row: aborted when the lease is lost, a stop came, or the process must go. */
export interface Held {
  readonly signal: AbortSignal;
}

const COMMIT_BACKOFF = { firstMs: 50, maxMs: 2000 };

/** For what is dear to repeat: waits for a database that is away, for as long as the row is held. */
export async function patiently<T>(work: () => Promise<T>, held: Held): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (err) {
      if (!isInfrastructure(err) || held.signal.aborted) throw err;
      await new Promise((resolve) => setTimeout(resolve, backoffMs(COMMIT_BACKOFF, attempt)));
    }
  }
}
