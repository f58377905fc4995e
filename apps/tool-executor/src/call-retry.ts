import { backoffMs } from '@nightshift/std';

/** How one try of a call ended, so far as it matters for another. */
export interface TryEnd {
  /** What it was answered with; null without an answer. */
  readonly status: number | null;
  /** True if there was no connection, so that nothing was sent. */
  readonly isUnsent: boolean;
  /** What the answer's `Retry-After` asks for. */
  readonly retryAfterMs: number | null;
}

const TRIES_MAX = 4;
const BACKOFF = { firstMs: 200, maxMs: 5000 };
const BUSY = new Set([429, 503]);

/**
 * How long to wait before the next try, in milliseconds; null if there is none. A host that could not be connected to, or
 * that says it is busy, is tried up to four times, as long as `leftMs` lasts. A call that must not be repeated (`retry:
 * never`) is tried again only if nothing was sent. `tries` counts from 1, `random` is in [0, 1).
 */
export function retryDelayMs(end: TryEnd, tries: number, { retry, leftMs }: { retry: 'safe' | 'never'; leftMs: number }, random: number = Math.random()): number | null {
  const isBusy = end.status !== null && BUSY.has(end.status) && retry === 'safe';
  if (tries >= TRIES_MAX || (!isBusy && !end.isUnsent)) return null;
  const delayMs = Math.max(backoffMs(BACKOFF, tries, random), end.retryAfterMs ?? 0);
  return delayMs < leftMs ? delayMs : null;
}
