import type { Bus, BusEvent, Subscribed } from '@nightshift/messaging';
import type { CheckResult } from '@nightshift/runtime';
import type { ThreadLink } from './thread.link.ts';

/** The bus of a thread that only publishes: events are committed by the consumers of the other thread. */
export class RemoteBus implements Bus {
  readonly #link: ThreadLink;

  constructor(link: ThreadLink) {
    this.#link = link;
  }

  publish(event: BusEvent): Promise<void> {
    return this.#link.call('publish', event);
  }

  subscribe(): Promise<Subscribed> {
    return Promise.resolve({ assigned: () => true, close: () => Promise.resolve() });
  }

  health(): CheckResult[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
