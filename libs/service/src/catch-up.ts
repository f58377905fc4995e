import { setTimeout as delay } from 'node:timers/promises';
import type { InternalClient } from '@nightshift/http';
import { isInfrastructure } from '@nightshift/postgres';
import { backoffMs } from '@nightshift/std';
import type { z } from 'zod';
import type { Parts } from './service.ts';
import type { Surroundings } from './surroundings.ts';

/** What a producer has announced lately, and who takes it. */
export interface Announcements<Event> {
  /** Named in the log. */
  readonly what: string;
  readonly client: InternalClient;
  /** Route of the producer that answers a `CatchUpQuery` with pages. */
  readonly path: string;
  readonly page: z.ZodType<{ events: Event[]; nextCursor: string | null }>;
  /** Writes what is missing; what is known changes nothing. */
  readonly take: (events: readonly Event[]) => Promise<void>;
}

const SINCE_MS = 3_600_000;
const BETWEEN_PAGES_MS = 20;
const RETRY = { firstMs: 1000, maxMs: 30_000 };

/**
 * For consumers whose producer waits for nobody: asks it over HTTP for the announcements of the last hour, in the
 * background, at the start and whenever messages may have passed unseen. Tries for as long as it takes.
 */
export function catchUp<Event>(around: Surroundings, parts: Pick<Parts, 'onStart' | 'onGap'>, source: Announcements<Event>): void {
  const { what } = source;
  const stop = new AbortController();
  let wanted = 0;
  around.shutdown.add('refuse', `catch-up with ${what}`, () => stop.abort());

  async function round(): Promise<number> {
    let events = 0;
    let cursor: string | null = null;
    for (let failures = 0; ; ) {
      try {
        const query = new URLSearchParams({ sinceMs: String(SINCE_MS), ...(cursor !== null && { cursor }) });
        const page = await source.client.call({ method: 'GET', path: `${source.path}?${query}` }, source.page);
        await source.take(page.events);
        failures = 0;
        events += page.events.length;
        cursor = page.nextCursor;
        if (cursor === null) return events;
        await delay(BETWEEN_PAGES_MS, undefined, { ref: false, signal: stop.signal });
      } catch (err) {
        if (stop.signal.aborted) return events;
        failures += 1;
        const level = failures > 1 ? 'debug' : isInfrastructure(err) ? 'info' : 'warn';
        around.log[level]({ err, what, failures }, 'catch-up will try again');
        await delay(backoffMs(RETRY, failures), undefined, { ref: false, signal: stop.signal }).catch(() => undefined);
        if (stop.signal.aborted) return events;
      }
    }
  }

  /** Asked while it runs, it goes round once more. */
  function begin(): void {
    wanted += 1;
    if (wanted > 1) return;
    void (async () => {
      for (let asked = 0; asked !== wanted && !stop.signal.aborted; ) {
        asked = wanted;
        around.log.debug({ what, events: await round() }, 'caught up');
      }
      wanted = 0;
    })();
  }

  parts.onStart(begin);
  parts.onGap(begin);
}
