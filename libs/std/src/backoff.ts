/** Bounds of an exponential backoff, in milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Delay before try `attempt` + 1 (attempt counts from 1): doubles up to `maxMs`, spread by ±20 % with `random` in [0, 1). */
export function backoffMs(backoff: Backoff, attempt: number, random: number = Math.random()): number {
  const base = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30));
  return jitterMs(base, random);
}

/** Spreads a delay by ±20 % with `random` in [0, 1), so that many waiters do not return at once. */
export function jitterMs(delayMs: number, random: number = Math.random()): number {
  return Math.round(delayMs * (0.8 + 0.4 * random));
}
