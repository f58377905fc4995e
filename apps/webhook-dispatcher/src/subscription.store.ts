import { AppError, type InternalCreateSubscription, type InternalRotateSecret, type InternalUpdateSubscription } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { DecryptError, type EncryptionKeys, encryptionPrefix } from '@nightshift/std';
import { laneOf } from './delivery.ts';
import { RESUME_LANES, REVIVE } from './endpoint.sql.ts';
import { FIND_KEY } from './idempotency.sql.ts';
import { changed, created, type NewSubscription, opened, reencrypted, rotated, type Subscription, SUBSCRIPTIONS_MAX } from './subscription.ts';
import { CREATE, DISCARD, ENCRYPTED_BEFORE, FIND, LIST, LOCK, REENCRYPT, REMOVE, SET_EGRESS, UPDATE } from './subscription.sql.ts';

type Reply = NewSubscription & { readonly createdAt: string };
type Locked = Subscription & { readonly now: Date };
type Sealed = Pick<Subscription, 'id' | 'orgId' | 'secret' | 'previousSecret' | 'headers'>;

const REENCRYPT_ROWS = 100;

/** A subscription, and its secret in the clear where that may be shown. */
export interface Disclosed {
  readonly subscription: Subscription;
  readonly secret: string | undefined;
}

/** Who wants to be told of an organisation's runs. */
export class SubscriptionStore {
  readonly #db: Database;
  readonly #keys: EncryptionKeys;

  constructor(db: Database, keys: EncryptionKeys) {
    this.#db = db;
    this.#keys = keys;
  }

  /** Makes a subscription. With an idempotency key that is taken, answers what was made under it, its secret too, or `conflict` for another body. */
  async create(request: InternalCreateSubscription): Promise<Disclosed & { readonly replayed: boolean }> {
    const { orgId, id, idempotency } = request;
    const [row] = await this.#db.query<Subscription>(CREATE, [JSON.stringify(created(request, this.#keys)), idempotency?.key ?? null, idempotency?.bodyHash ?? null, SUBSCRIPTIONS_MAX]);
    if (row) return { ...this.#disclosed(row), replayed: false };
    const [holder] = idempotency ? await this.#db.query<{ bodyHash: string; reply: Reply }>(FIND_KEY, [orgId, '/v1/webhooks/subscriptions', idempotency.key]) : [];
    if (holder && holder.bodyHash !== idempotency?.bodyHash) throw new AppError('conflict');
    if (holder) return { ...this.#disclosed(fromReply(holder.reply)), replayed: holder.reply.id !== id };
    // The very same request may have come twice.
    const [already] = await this.#db.query<Subscription>(FIND, [orgId, id]);
    if (already) return { ...this.#disclosed(already), replayed: false };
    throw new AppError('invalid_request', { message: `An organisation may have ${SUBSCRIPTIONS_MAX} subscriptions.` });
  }

  /** An organisation's subscriptions, oldest first. */
  list(orgId: string): Promise<Subscription[]> {
    return this.#db.query(LIST, [orgId]);
  }

  /** One subscription; `not_found` for everybody else's. */
  async get(orgId: string, id: string): Promise<Subscription> {
    const [found] = await this.#db.query<Subscription>(FIND, [orgId, id]);
    if (!found) throw unknown();
    return found;
  }

  /** Changes a subscription. What waits for one that is enabled again is sent, or canceled if the backlog is to be discarded. */
  update(id: string, { orgId, changes, egressAllow }: InternalUpdateSubscription): Promise<Subscription> {
    return this.#db.transaction(async (query) => {
      const [locked] = await query<Locked>(LOCK, [orgId, id]);
      if (!locked) throw unknown();
      const { now, ...before } = locked;
      if (changes.backlog === 'discard' && !before.enabled) await query(DISCARD, [id]);
      const after = changed(before, { changes, egressAllow }, this.#keys, now);
      if (after.callbackUrl !== before.callbackUrl || (after.enabled && !before.enabled)) await query(REVIVE, [laneOf(orgId, id)]);
      // A pause may be the wait of the schedule, or of the order, that is changed here.
      else if (changes.retrySeconds !== undefined || changes.ordered !== undefined) await query(RESUME_LANES, [[laneOf(orgId, id)]]);
      return write(query, after);
    });
  }

  /** Has an organisation's subscriptions reach what it may reach now, with what waits for them. */
  async setEgress(orgId: string, egressAllow: readonly string[]): Promise<void> {
    await this.#db.query(SET_EGRESS, [orgId, JSON.stringify(egressAllow)]);
  }

  /** Gives a subscription a new secret; one that it has already changes nothing. */
  rotate(id: string, { orgId, graceSeconds, secret }: InternalRotateSecret): Promise<Disclosed> {
    return this.#db.transaction(async (query) => {
      const [locked] = await query<Locked>(LOCK, [orgId, id]);
      if (!locked) throw unknown();
      const { now, ...before } = locked;
      if (opened(before, this.#keys).secret === secret) return { subscription: before, secret };
      return { subscription: await write(query, rotated(before, secret, graceSeconds, this.#keys, now)), secret };
    });
  }

  /** Deletes a subscription and cancels what waits for it. */
  async remove(orgId: string, id: string): Promise<void> {
    if ((await this.#db.query(REMOVE, [orgId, id])).length === 0) throw unknown();
  }

  /** Encrypts with the current key what another one has encrypted; returns how many subscriptions that were, and how many open with neither key and stay as they are. */
  async reencrypt(): Promise<{ written: number; locked: number }> {
    const total = { written: 0, locked: 0 };
    for (let after = ''; ; ) {
      const rows = await this.#db.transaction(async (query) => {
        const found = await query<Sealed>(ENCRYPTED_BEFORE, [encryptionPrefix(this.#keys.current), REENCRYPT_ROWS, after]);
        const anew = found.flatMap((row) => this.#reencrypted(row) ?? []);
        if (anew.length > 0) await query(REENCRYPT, [JSON.stringify(anew)]);
        total.written += anew.length;
        total.locked += found.length - anew.length;
        return found;
      });
      if (rows.length < REENCRYPT_ROWS) return total;
      after = rows.at(-1)?.id ?? '';
    }
  }

  #reencrypted(row: Sealed): object | undefined {
    try {
      return { id: row.id, ...reencrypted(row, this.#keys) };
    } catch (err) {
      if (!(err instanceof DecryptError)) throw err;
      return undefined;
    }
  }

  #disclosed(subscription: Subscription): Disclosed {
    return { subscription, secret: opened(subscription, this.#keys).secret ?? undefined };
  }
}

async function write(query: Database['query'], subscription: Subscription): Promise<Subscription> {
  const [written] = await query<Subscription>(UPDATE, [JSON.stringify(subscription)]);
  if (!written) throw unknown();
  return written;
}

/** The subscription as it was when the key was used. */
function fromReply({ createdAt, ...made }: Reply): Subscription {
  const at = new Date(createdAt);
  return { ...made, previousUntil: null, disabledAt: made.enabled ? null : at, activeSince: at, createdAt: at, updatedAt: at };
}

function unknown(): AppError {
  return new AppError('not_found', { message: 'There is no such subscription.' });
}
