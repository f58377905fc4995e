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
  let running = false;
  let again = false;

  // Ends early when the process goes.
  const pause = (ms: number): Promise<void> => delay(ms, undefined, { ref: false, signal: stop.signal }).catch(() => undefined);

  async function takePage(cursor: string | undefined): Promise<{ events: number; next: string | undefined }> {
    const query = new URLSearchParams({ sinceMs: String(SINCE_MS), ...(cursor !== undefined && { cursor }) });
    const { events, nextCursor } = await source.client.call({ method: 'GET', path: `${source.path}?${query}` }, source.page);
    await source.take(events);
    return { events: events.length, next: nextCursor ?? undefined };
  }

  async function takeAll(): Promise<void> {
    let events = 0;
    let cursor: string | undefined;
    for (let failures = 0; !stop.signal.aborted; ) {
      try {
        const page = await takePage(cursor);
        failures = 0;
        events += page.events;
        cursor = page.next;
        if (cursor === undefined) return around.log.debug({ what, events }, 'caught up');
        await pause(BETWEEN_PAGES_MS);
      } catch (err) {
        failures += 1;
        around.log[failures > 1 ? 'debug' : isInfrastructure(err) ? 'info' : 'warn']({ err, what }, 'catching up will be tried again');
        await pause(backoffMs(RETRY, failures));
      }
    }
  }

  async function run(): Promise<void> {
    running = true;
    do {
      again = false;
      await takeAll();
    } while (again && !stop.signal.aborted);
    running = false;
  }

  const begin = (): void => {
    if (running) again = true;
    else void run();
  };
  around.shutdown.add('refuse', `catching up with ${what}`, () => stop.abort());
  parts.onStart(begin);
  parts.onGap(begin);
}
