/**
 * The machine's wall clock in milliseconds since the epoch, with fractions: what processes can compare with each other and
 * with a database. Never more than a millisecond off; `performance.timeOrigin + performance.now()` alone drifts away where
 * the wall clock is being adjusted.
 */
export function wallMs(): number {
  const ms = Date.now();
  return Math.min(Math.max(ms, performance.timeOrigin + performance.now()), ms + 0.999);
}
