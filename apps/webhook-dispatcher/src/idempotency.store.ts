import { AppError } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { FIND_KEY, FORGET_KEYS, KEEP_REPLY, TAKE_KEY } from './idempotency.sql.ts';

/** A request that is answered once. */
export interface Once {
  readonly orgId: string;
  readonly route: string;
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | undefined;
}

/** Idempotency keys of requests, for a day. */
export class IdempotencyStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Does the work and keeps its reply under the key, in one transaction; a key that is taken gets that reply, or `conflict` for another body. */
  once<T>({ orgId, route, idempotency }: Once, work: (query: Database['query']) => Promise<T>): Promise<{ reply: T; replayed: boolean }> {
    return this.#db.transaction(async (query) => {
      if (!idempotency) return { reply: await work(query), replayed: false };
      const { key, bodyHash } = idempotency;
      const [taken] = await query(TAKE_KEY, [orgId, route, key, bodyHash]);
      if (taken === undefined) return { reply: await this.#kept<T>(query, [orgId, route, key], bodyHash), replayed: true };
      const reply = await work(query);
      await query(KEEP_REPLY, [orgId, route, key, JSON.stringify(reply)]);
      return { reply, replayed: false };
    });
  }

  async #kept<T>(query: Database['query'], key: string[], bodyHash: string): Promise<T> {
    const [holder] = await query<{ bodyHash: string; reply: T }>(FIND_KEY, key);
    if (!holder) throw new AppError('service_unavailable', { message: 'The idempotency key was being released; try again.', headers: { 'retry-after': '1' } });
    if (holder.bodyHash !== bodyHash) throw new AppError('conflict');
    return holder.reply;
  }

  /** Deletes a batch of keys that are free again; returns how many. */
  async forget(limit: number): Promise<number> {
    return (await this.#db.query(FORGET_KEYS, [limit])).length;
  }
}
