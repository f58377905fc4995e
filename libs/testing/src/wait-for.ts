import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

/**
 * Polls until `condition` returns something truthy, and returns that. What it throws counts as not yet.
 * Throws after `timeoutMs` (default 10 s) with the last value or error, and `describe` of what was awaited.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, describe = 'the condition' }: { timeoutMs?: number; describe?: string } = {},
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, undefined | null | false | 0 | ''>;
      last = value;
    } catch (err) {
      last = err;
    }
    if (performance.now() >= end) {
      throw new Error(`${describe} did not come true in ${timeoutMs} ms; last: ${inspect(last, { depth: 4 })}`, { cause: last });
    }
    await delay(pauseMs);
  }
}
