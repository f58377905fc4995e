import { AppError, SHARED_POOL } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import type { App } from '@nightshift/runtime';
import type { Surroundings } from '@nightshift/service';
import { must } from '@nightshift/std';
import type { PoolApp, Pools } from './pools.client.ts';

/** Where a pool's processes are asked: what is stored is the same for all of a service, what takes capacity is the pool's own to do. */
export class PoolClients {
  readonly #shared: ReadonlyMap<App, InternalClient>;
  readonly #ownOf: NonNullable<Surroundings['poolClient']> | undefined;
  readonly #pools: Pick<Pools, 'isServed'>;

  /** `ownOf` is absent where one process serves every pool. */
  constructor({ shared, ownOf, pools }: { shared: ReadonlyMap<App, InternalClient>; ownOf: Surroundings['poolClient']; pools: Pick<Pools, 'isServed'> }) {
    this.#shared = shared;
    this.#ownOf = ownOf;
    this.#pools = pools;
  }

  /** Whom to ask for what is stored: the pool's processes, so that nobody else's load delays the answer, or the shared ones while those are away. */
  readerOf(app: PoolApp, pool: string): InternalClient {
    const own = pool !== SHARED_POOL && this.#pools.isServed(app, pool) ? this.#ownOf?.(app, pool) : undefined;
    return own ?? this.#sharedOf(app);
  }

  /** Whom to have something done: the pool's processes, and nobody else. Throws `service_unavailable` where their address is not known. */
  workerOf(app: PoolApp, pool: string): InternalClient {
    if (pool === SHARED_POOL || this.#ownOf === undefined) return this.#sharedOf(app);
    const own = this.#ownOf(app, pool);
    if (!own) throw new AppError('service_unavailable', { cause: new Error(`no address is configured for ${app} of the pool "${pool}"`), headers: { 'retry-after': '5' } });
    return own;
  }

  #sharedOf(app: PoolApp): InternalClient {
    return must(this.#shared.get(app), app);
  }
}
