const DELAY_MIN_MS = 1000;
const DELAY_MAX_MS = 30_000;

/** How long to wait before a broken stream is taken up again, in milliseconds: what the server asks for, but at least a second, since it may break it off each time, and at most 30. */
export function reconnectDelayMs(askedMs: number): number {
  return Math.min(DELAY_MAX_MS, Math.max(DELAY_MIN_MS, askedMs));
}
