import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import type { CheckResult, MetricsOfThread, Phase, Shutdown } from '@nightshift/runtime';
import { ThreadLink } from './thread.link.ts';

const PROBE_MS = 1000;
const PHASES_OF_WORK: readonly Phase[] = ['refuse', 'drain', 'finish', 'hang_up', 'flush', 'close'];

/** Links to the thread that works; `onEnd` is told when it ends by itself. A shutdown goes through both threads phase by phase. */
export function linkWork(worker: Worker, shutdown: Shutdown, onEnd: (reason: Error) => void): ThreadLink {
  const link = new ThreadLink(worker);
  const end = (cause: unknown): void => {
    if (!link.isOpen) return;
    const reason = new Error(`the thread that works has ended: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    link.fail(reason);
    onEnd(reason);
  };
  worker.on('error', end);
  worker.on('exit', (code) => end(`exit code ${code}`));
  for (const phase of PHASES_OF_WORK) {
    shutdown.add(phase, 'the thread that works', async (hurry) => {
      if (!link.isOpen) return;
      if (hurry.aborted) link.tell('hurry');
      else hurry.addEventListener('abort', () => link.tell('hurry'), { once: true });
      await link.call('shutdown', phase);
    });
  }
  return link;
}

/** What the working thread says of itself. */
export function checksOf(link: ThreadLink): Promise<CheckResult[]> {
  return soon(link.call('readiness'), [{ state: 'degraded', missing: 'the thread that works' }]);
}

/** The working thread's metrics. */
export function metricsOf(link: ThreadLink): Promise<MetricsOfThread> {
  return soon(link.call('metrics'), []);
}

/** A probe does not wait for a thread that is seconds behind. */
async function soon<T>(answer: Promise<T>, otherwise: T): Promise<T> {
  const late = new AbortController();
  try {
    return await Promise.race([answer, delay(PROBE_MS, otherwise, { signal: late.signal })]);
  } finally {
    late.abort();
  }
}
