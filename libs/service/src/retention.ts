import { isInfrastructure } from '@nightshift/postgres';
import type { Surroundings } from './surroundings.ts';

const EVERY_MS = 600_000;
const PAUSE_MS = 100;

/** Deletes old rows in batches, now and every ten minutes, unless `everyMs` says otherwise; `forget` deletes one batch and says how many rows it was. */
export function retention(around: Surroundings, what: string, forget: () => Promise<number>, everyMs: number = EVERY_MS): void {
  let stopped = false;
  const round = async (): Promise<void> => {
    let total = 0;
    for (let rows = 1; rows > 0 && !stopped; total += rows) {
      rows = await forget();
      if (rows > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    if (total > 0) around.log.info({ what, rows: total }, 'retention');
  };
  const run = (): void => {
    round().catch((err: unknown) => {
      if (!isInfrastructure(err)) around.log.error({ err, what }, 'retention failed');
    });
  };
  const timer = setInterval(run, everyMs);
  around.shutdown.add('refuse', `retention of ${what}`, () => {
    stopped = true;
    clearInterval(timer);
  });
  run();
}
