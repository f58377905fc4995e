import { type Database, isInfrastructure, type Statement, statement } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import type { Parts } from './service.ts';
import type { Surroundings } from './surroundings.ts';

const BEAT_MS = 2000;
/** Several beats, so that a process that is late once is not taken for gone. */
const LIVE_MS = 10_000;

/** Processes that do a pool's work. */
export interface Membership {
  readonly pool: string;
  readonly live: number;
  readonly lastSeenAt: Date;
}

/** Who serves which pool, in the table `pool_members` of a service's schema: the processes' own word, judged by the database's clock. */
export class PoolMembers {
  readonly #db: Database;
  readonly #statements: Record<'beat' | 'leave' | 'forget' | 'list', Statement>;

  constructor(db: Database, schema: string) {
    this.#db = db;
    const table = `${schema}.pool_members`;
    this.#statements = {
      beat: statement(`${table}.beat`, `insert into ${table} (id, pool) values ($1, $2) on conflict (id) do update set seen_at = now(), left_at = null`),
      leave: statement(`${table}.leave`, `update ${table} set left_at = now() where id = $1`),
      forget: statement(`${table}.forget`, `delete from ${table} where seen_at < now() - interval '1 day'`),
      list: statement(
        `${table}.list`,
        `select pool, count(*) filter (where left_at is null and seen_at > now() - interval '${LIVE_MS} ms')::int as live, max(seen_at) as "lastSeenAt" from ${table} group by pool`,
      ),
    };
  }

  /** Says that a process is there. */
  async beat(id: string, pool: string): Promise<void> {
    await this.#db.query(this.#statements.beat, [id, pool]);
  }

  /** Says that a process takes no more. */
  async leave(id: string): Promise<void> {
    await this.#db.query(this.#statements.leave, [id]);
  }

  /** Forgets who has been gone for a day. */
  async forget(): Promise<void> {
    await this.#db.query(this.#statements.forget);
  }

  /** The pools that any process has served within the last day. */
  list(): Promise<Membership[]> {
    return this.#db.query<Membership>(this.#statements.list);
  }
}

/**
 * Has this process say every two seconds that it serves its pool, from when its consumers have their messages until it
 * refuses more; before it says so first, `introduce` has succeeded.
 */
export function servePool(around: Pick<Surroundings, 'pool' | 'readiness' | 'shutdown' | 'log'>, { onStart }: Pick<Parts, 'onStart'>, members: PoolMembers, introduce: () => Promise<void> = () => Promise.resolve()): void {
  const id = newId('proc');
  let beating: Promise<void> = Promise.resolve();
  let isIntroduced = false;
  const beat = async (): Promise<void> => {
    if ((await around.readiness.read()).status === 'unready') return;
    if (!isIntroduced) await introduce();
    isIntroduced = true;
    await members.beat(id, around.pool);
  };
  const trouble = (err: unknown): void => around.log[isInfrastructure(err) ? 'debug' : 'error']({ err, pool: around.pool }, 'membership of the pool');
  const tick = (): void => {
    beating = beat().catch(trouble);
  };
  let timer: NodeJS.Timeout | undefined;
  onStart(() => {
    members.forget().catch(trouble);
    tick();
    timer = setInterval(tick, BEAT_MS);
  });
  around.shutdown.add('refuse', 'membership of the pool', async () => {
    clearInterval(timer);
    await beating;
    await members.leave(id);
  });
}
