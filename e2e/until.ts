import { setTimeout as pause } from 'node:timers/promises';

type Limits = { timeoutMs: number; everyMs?: number };

/** Whether the condition comes to hold within `timeoutMs`; it is looked at every `everyMs`, 20 by default. */
export async function holds(condition: () => boolean | Promise<boolean>, { timeoutMs, everyMs = 20 }: Limits): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await pause(everyMs);
  }
  return true;
}

/** Waits until the condition holds; after `timeoutMs` it fails and says what was waited for. */
export async function until(
  condition: () => boolean | Promise<boolean>, { what, ...limits }: Limits & { what: () => string },
): Promise<void> {
  if (!(await holds(condition, limits))) throw new Error(`Waited ${limits.timeoutMs} ms in vain for ${what()}`);
}
