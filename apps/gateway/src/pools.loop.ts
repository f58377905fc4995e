import { AppError, type Pool } from '@nightshift/contracts';
import { isInfrastructure } from '@nightshift/postgres';
import { type Logger, metrics } from '@nightshift/runtime';
import { isWanted } from './pool.ts';
import type { Pools } from './pools.client.ts';

const EVERY_MS = 5000;
const AGAIN_MS = 1000;
/** A pool is reported when it is seen without processes so often in a row: those of a cluster do not start at once. */
const LOOKS = 2;

/** Looks at the pools every five seconds, or soon again where somebody who knows them is away: for the metrics, and for the log when one that is wanted loses its processes or gets them back. */
export class PoolsLoop {
  readonly #pools: Pick<Pools, 'look'>;
  readonly #log: Logger;
  readonly #everyMs: number;
  readonly #looksWithout = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(pools: Pick<Pools, 'look'>, log: Logger, everyMs: number = EVERY_MS) {
    this.#pools = pools;
    this.#log = log;
    this.#everyMs = everyMs;
  }

  start(): void {
    if (this.#isStopped) return;
    void this.#look().then((isSeen) => {
      if (!this.#isStopped) this.#timer = setTimeout(() => this.start(), isSeen ? this.#everyMs : Math.min(AGAIN_MS, this.#everyMs)).unref();
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<boolean> {
    try {
      const pools = await this.#pools.look();
      measure(pools);
      for (const pool of pools) this.#report(pool);
      return true;
    } catch (err) {
      // What was true once says nothing of now.
      forget();
      const isAway = isInfrastructure(err) || err instanceof AppError;
      this.#log[isAway ? 'debug' : 'error']({ err }, 'pools');
      return false;
    }
  }

  #report(pool: Pool): void {
    const { name, state, problems, orgs, queuedRuns } = pool;
    const before = this.#looksWithout.get(name) ?? 0;
    const now = state === 'live' || !isWanted(pool) ? 0 : before + 1;
    this.#looksWithout.set(name, now);
    if (now === LOOKS) this.#log.warn({ pool: name, state, problems, orgs: orgs.length, queuedRuns: queuedRuns?.count, errorCode: 'pool_unserved' }, 'pool has no consumers');
    if (now === 0 && before >= LOOKS) this.#log.info({ pool: name, state }, 'pool is served again');
  }
}

/** Pools that are gone are measured no more. */
function measure(pools: readonly Pool[]): void {
  forget();
  for (const { name: pool, engines, executors, queuedRuns, turns, toolCalls } of pools) {
    metrics.poolConsumers.set({ pool, service: 'engine-orchestrator' }, engines.live);
    metrics.poolConsumers.set({ pool, service: 'tool-executor' }, executors.live);
    for (const [work, waiting] of [['run', queuedRuns], ['turn', turns], ['tool_call', toolCalls]] as const) {
      if (!waiting) continue;
      metrics.poolWaiting.set({ pool, work }, waiting.count);
      metrics.poolOldest.set({ pool, work }, waiting.oldestSeconds);
    }
  }
}

function forget(): void {
  for (const gauge of [metrics.poolConsumers, metrics.poolWaiting, metrics.poolOldest]) gauge.reset();
}
