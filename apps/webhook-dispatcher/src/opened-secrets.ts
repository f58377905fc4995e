import type { EncryptionKeys } from '@nightshift/std';
import { type Opened, opened, type Sealed } from './subscription.ts';

const KEPT_MAX = 1000;

/** What was opened of subscriptions, kept by what it was opened from: decrypting for each attempt costs more than signing it. */
export class OpenedSecrets {
  readonly #keys: EncryptionKeys;
  readonly #kept = new Map<string, Opened>();

  constructor(keys: EncryptionKeys) {
    this.#keys = keys;
  }

  /** As `opened`: DecryptError if it cannot. */
  of(sealed: Sealed): Opened {
    const { id, orgId, secret, previousSecret, headers } = sealed;
    const key = [orgId, id, secret, previousSecret, headers].join(' ');
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const fresh = opened(sealed, this.#keys);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(key, fresh);
    return fresh;
  }
}
