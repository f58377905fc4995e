import type { Database } from '@nightshift/postgres';
import type { Hints } from '@nightshift/run-stream';
import type { Subscriber } from './subscriber.ts';
import { SUBSCRIBED, SUBSCRIBERS } from './subscription.sql.ts';

interface Known {
  readonly subscribers: readonly Subscriber[];
  readonly untilMs: number;
}

const CHANNEL = 'nightshift.webhooks.subscriptions';
// The safety net for a hint that was lost.
const TTL_MS = 2000;
const ORGS_MAX = 10_000;

/**
 * Who hears of an organisation's runs, kept in memory so that runs which nobody subscribed to cost nothing: which organisations
 * have subscriptions is asked for all of them at once. Changes are hinted at, and hold everywhere within two seconds if the hint
 * is lost.
 */
export class Subscribers {
  readonly #db: Database;
  readonly #hints: Hints;
  readonly #known = new Map<string, Known>();
  #subscribed: { readonly orgIds: ReadonlySet<string>; readonly untilMs: number } | undefined;
  #asking: Promise<ReadonlySet<string>> | undefined;
  /** Grows with each change, so that an answer that was under way is not kept. */
  #changes = 0;

  constructor(db: Database, hints: Hints) {
    this.#db = db;
    this.#hints = hints;
  }

  listen(): void {
    this.#hints.listen(CHANNEL, (orgId) => this.#forget(orgId));
    this.#hints.onGap(() => this.#forgetAll());
  }

  /** Says that an organisation's subscriptions have changed. */
  changed(orgId: string): void {
    this.#forget(orgId);
    this.#hints.send(CHANNEL, orgId);
  }

  /** The enabled subscriptions of organisations. */
  async of(orgIds: ReadonlySet<string>): Promise<ReadonlyMap<string, readonly Subscriber[]>> {
    const nowMs = performance.now();
    const found = new Map<string, readonly Subscriber[]>();
    const subscribed = this.#subscribed && this.#subscribed.untilMs > nowMs ? this.#subscribed.orgIds : await this.#ask(nowMs);
    const wanted = [...orgIds].filter((orgId) => subscribed.has(orgId));
    for (const orgId of wanted) {
      const known = this.#known.get(orgId);
      if (known && known.untilMs > nowMs) found.set(orgId, known.subscribers);
    }
    const unknown = wanted.filter((orgId) => !found.has(orgId));
    if (unknown.length === 0) return found;
    const changes = this.#changes;
    const rows = Map.groupBy(await this.#db.query<Subscriber & { orgId: string }>(SUBSCRIBERS, [unknown]), ({ orgId }) => orgId);
    if (this.#known.size > ORGS_MAX) this.#known.clear();
    for (const orgId of unknown) {
      const subscribers = rows.get(orgId) ?? [];
      found.set(orgId, subscribers);
      if (changes === this.#changes) this.#known.set(orgId, { subscribers, untilMs: nowMs + TTL_MS });
    }
    return found;
  }

  /** Which organisations have enabled subscriptions; who asks while others do waits with them, but not for an answer from before a change. */
  #ask(nowMs: number): Promise<ReadonlySet<string>> {
    if (this.#asking) return this.#asking;
    const asking = this.#db
      .query<{ orgId: string }>(SUBSCRIBED)
      .then((rows) => {
        const orgIds = new Set(rows.map(({ orgId }) => orgId));
        if (this.#asking === asking) this.#subscribed = { orgIds, untilMs: nowMs + TTL_MS };
        return orgIds;
      })
      .finally(() => {
        if (this.#asking === asking) this.#asking = undefined;
      });
    this.#asking = asking;
    return asking;
  }

  #forgetAll(): void {
    this.#change();
    this.#known.clear();
  }

  #forget(orgId: string): void {
    this.#change();
    this.#known.delete(orgId);
  }

  #change(): void {
    this.#changes += 1;
    this.#subscribed = undefined;
    this.#asking = undefined;
  }
}
