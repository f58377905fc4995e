const DAY_MS = 86_400_000;

/** Milliseconds from `nowMs` (at least 0, at most a day) that a `Retry-After` asks for, in seconds or as an HTTP date (RFC 9110, section 10.2.3); null without a valid one. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null;
  const wanted = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(wanted) ? null : Math.min(Math.max(wanted, 0), DAY_MS);
}
