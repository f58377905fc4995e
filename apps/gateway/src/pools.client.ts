import { AppError, type ChangedOrg, InternalPools, InternalQueues, type Org, type Pool, type ServedCatalogue, type ServedPool, SHARED_POOL } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { type Known, poolOf, poolsOf } from './pool.ts';
import type { OrgStore } from './org.store.ts';

const SERVED = { method: 'GET', path: '/internal/pools' } as const;

/** Where pools are known. */
export interface PoolsOptions {
  readonly orgs: Pick<OrgStore, 'pooled'>;
  readonly runs: InternalClient;
  readonly engine: InternalClient;
  readonly executor: InternalClient;
  readonly onePool: string | undefined;
}

/** Kinds of processes that serve pools. */
export type PoolApp = 'engine-orchestrator' | 'tool-executor';

/** Who serves which pool, and what waits: each service says it of its own, and it is joined here. */
export class Pools {
  readonly #options: PoolsOptions;
  /** Each as its service told it last, whoever else was away; undefined until then. */
  #engines: readonly ServedPool[] | undefined;
  #executors: readonly ServedPool[] | undefined;

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  /** Asks everybody anew. `service_unavailable` while one of them is away. */
  async look(): Promise<Pool[]> {
    return poolsOf(await this.#look());
  }

  /** An organisation that was changed, with a warning where nobody would do its work. */
  async judged(org: Org): Promise<ChangedOrg> {
    if (org.pool === SHARED_POOL) return org;
    const problems = await this.#problemsOf(org.pool);
    return problems.length === 0 ? org : { ...org, warnings: problems };
  }

  /** Whether a process of a kind served the pool when it was last looked. */
  isServed(app: PoolApp, pool: string): boolean {
    const served = app === 'engine-orchestrator' ? this.#engines : this.#executors;
    return (served ?? []).some(({ name, live }) => name === pool && live > 0);
  }

  /** The engines of a dedicated pool; undefined while they are not known, and where one process serves every pool. */
  catalogueOf(pool: string): ServedCatalogue | undefined {
    return pool === SHARED_POOL || this.#options.onePool !== undefined ? undefined : this.#engines?.find(({ name }) => name === pool)?.catalogue;
  }

  async #problemsOf(pool: string): Promise<string[]> {
    try {
      return poolOf(pool, await this.#look()).problems;
    } catch (err) {
      // Also from a service of the release before, which does not know the question: the organisation is changed already.
      if (!(err instanceof AppError)) throw err;
      return [`Whether the pool "${pool}" is served cannot be told, because a service does not answer; GET /admin/v1/pools says it later.`];
    }
  }

  async #look(): Promise<Known> {
    const { orgs, runs, engine, executor, onePool } = this.#options;
    const [pooled, { queues }, engines, executors] = await Promise.all([
      orgs.pooled(),
      runs.call({ method: 'GET', path: '/internal/queues' }, InternalQueues),
      engine.call(SERVED, InternalPools).then(({ pools }) => (this.#engines = pools)),
      executor.call(SERVED, InternalPools).then(({ pools }) => (this.#executors = pools)),
    ]);
    return { orgs: pooled, queues, engines, executors, onePool };
  }
}
