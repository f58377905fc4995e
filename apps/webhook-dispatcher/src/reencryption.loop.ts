import { isInfrastructure } from '@nightshift/postgres';
import type { Surroundings } from '@nightshift/service';
import type { SubscriptionStore } from './subscription.store.ts';

const EVERY_MS = 600_000;

/** Encrypts with the current key what another one has encrypted, now and every ten minutes: processes of the release before may go on writing with theirs. */
export function reencryption({ log, shutdown }: Pick<Surroundings, 'log' | 'shutdown'>, subscriptions: Pick<SubscriptionStore, 'reencrypt'>): void {
  const run = async (): Promise<void> => {
    try {
      const { written, locked } = await subscriptions.reencrypt();
      if (written > 0) log.info({ count: written }, 'secrets were encrypted with the current key');
      if (locked > 0) log.error({ count: locked, errorCode: 'secret_locked' }, 'secrets of subscriptions open with neither ENCRYPTION_KEY nor ENCRYPTION_KEY_PREVIOUS');
    } catch (err) {
      if (!isInfrastructure(err)) log.error({ err }, 'secrets were not encrypted anew');
    }
  };
  const timer = setInterval(() => void run(), EVERY_MS);
  shutdown.add('refuse', 'encrypting anew', () => clearInterval(timer));
  void run();
}
