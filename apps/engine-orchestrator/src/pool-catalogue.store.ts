import type { ServedCatalogue } from '@nightshift/contracts';
import { type Database, statement } from '@nightshift/postgres';

const PUT = statement(
  'engine.put_catalogue',
  `insert into engine.pool_catalogues as c (pool, catalogue) values ($1, $2)
   on conflict (pool) do update set catalogue = excluded.catalogue, changed_at = now() where c.catalogue::text <> excluded.catalogue::text`,
);
const ALL = statement('engine.catalogues', `select pool, catalogue from engine.pool_catalogues`);

/** The engines that each pool serves. They stay known while the pool has no process, because runs may be created for it then. */
export class PoolCatalogueStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** What a process that begins serves stands for its pool. */
  async put(pool: string, catalogue: ServedCatalogue): Promise<void> {
    await this.#db.query(PUT, [pool, JSON.stringify(catalogue)]);
  }

  /** By pool. */
  async all(): Promise<Map<string, ServedCatalogue>> {
    const rows = await this.#db.query<{ pool: string; catalogue: ServedCatalogue }>(ALL);
    return new Map(rows.map(({ pool, catalogue }) => [pool, catalogue]));
  }
}
