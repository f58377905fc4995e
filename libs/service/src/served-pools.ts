import type { ServedCatalogue, ServedPool } from '@nightshift/contracts';
import { type Database, type Statement, waitingStatement, type WorkTable } from '@nightshift/postgres';
import type { PoolMembers } from './pool-members.ts';

const NOTHING = { count: 0, oldestSeconds: 0 };

/** What a service's schema knows of pools: who serves them, and what waits for them. Any process of the service knows it of all. */
export class ServedPools {
  readonly #db: Database;
  readonly #members: PoolMembers;
  readonly #waiting: Statement;
  readonly #catalogues: () => Promise<ReadonlyMap<string, ServedCatalogue>>;

  constructor(db: Database, members: PoolMembers, table: WorkTable, catalogues: () => Promise<ReadonlyMap<string, ServedCatalogue>> = () => Promise.resolve(new Map())) {
    this.#db = db;
    this.#members = members;
    this.#waiting = waitingStatement(table);
    this.#catalogues = catalogues;
  }

  /** By name. */
  async list(): Promise<ServedPool[]> {
    const [members, queues, catalogues] = await Promise.all([this.#members.list(), this.#db.query<{ pool: string; count: number; oldestSeconds: number }>(this.#waiting), this.#catalogues()]);
    const memberOf = new Map(members.map((member) => [member.pool, member]));
    const waitingOf = new Map(queues.map(({ pool, ...waiting }) => [pool, waiting]));
    const names = new Set([...memberOf.keys(), ...waitingOf.keys(), ...catalogues.keys()]);
    return [...names].sort().map((name) => {
      const member = memberOf.get(name);
      const catalogue = catalogues.get(name);
      return { name, live: member?.live ?? 0, ...(member && { lastSeenAt: member.lastSeenAt.toISOString() }), waiting: waitingOf.get(name) ?? NOTHING, ...(catalogue && { catalogue }) };
    });
  }
}
