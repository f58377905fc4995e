import type { WorkObserver } from '@nightshift/postgres';
import { isInfrastructure } from '@nightshift/postgres';
import { type Logger, metrics } from '@nightshift/runtime';

/** Turns what a worker tells into metrics and log lines. `work`: turn, tool_call or delivery. */
export function observeWork(work: string, log: Logger, pool: string = 'shared'): WorkObserver {
  return {
    claimed(queueAgeMs, attempts) {
      metrics.queueAge.observe({ work, pool }, queueAgeMs / 1000);
      if (attempts > 1) metrics.retries.inc({ work });
    },
    leaseLost(id) {
      metrics.leaseLost.inc({ work });
      log.warn({ work, id, errorCode: 'lease_lost' }, 'lease lost');
    },
    backlog(rows, oldestSeconds) {
      metrics.backlog.set({ work, pool }, rows);
      metrics.oldestDue.set({ work, pool }, oldestSeconds);
    },
    trouble(err) {
      log[isInfrastructure(err) ? 'debug' : 'error']({ work, err }, 'work');
    },
  };
}
