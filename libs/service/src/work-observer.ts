import { SHARED_POOL } from '@nightshift/contracts';
import type { WorkObserver } from '@nightshift/postgres';
import { isInfrastructure } from '@nightshift/postgres';
import { type Logger, metrics } from '@nightshift/runtime';

/** Turns what a worker tells into metrics and log lines. `work`: turn, tool_call or delivery. */
export function observeWork(work: string, log: Logger, pool: string = SHARED_POOL): WorkObserver {
  const labels = { work, pool };
  const reasons = new Set<string>();
  // An increase is seen only of what was there before.
  metrics.leaseLost.inc(labels, 0);
  return {
    claimed(queueAgeMs, attempts) {
      metrics.queueAge.observe(labels, queueAgeMs / 1000);
      if (attempts > 1) metrics.retries.inc(labels);
    },
    leaseLost(id) {
      metrics.leaseLost.inc(labels);
      log.warn({ work, id, errorCode: 'lease_lost' }, 'lease lost');
    },
    backlog({ rows, oldestSeconds, blocked }) {
      metrics.backlog.set(labels, rows);
      metrics.oldestDue.set(labels, oldestSeconds);
      for (const reason of Object.keys(blocked)) reasons.add(reason);
      // A reason that is not told of any more holds nothing up.
      for (const reason of reasons) metrics.blocked.set({ ...labels, reason }, blocked[reason] ?? 0);
    },
    asked(ms) {
      metrics.claimDuration.observe(labels, ms / 1000);
    },
    trouble(err) {
      log[isInfrastructure(err) ? 'debug' : 'error']({ work, err }, 'work');
    },
  };
}
