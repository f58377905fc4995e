import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Whether a process with this id runs. One that has ended and is only not yet collected by its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM';
  }
  return statOf(pid)[0] !== 'Z';
}

// The fields of /proc/<pid>/stat from the third on, after the name, which may hold spaces. Empty where there are none.
function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (err) {
    if (['ENOENT', 'ESRCH'].includes((err as NodeJS.ErrnoException).code ?? '')) return [];
    throw err;
  }
}

/** Resolves true when the process is gone, false when it still runs after `timeoutMs`. */
export async function isGoneWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (isAlive(pid)) {
    if (Date.now() >= end) return false;
    await delay(20);
  }
  return true;
}

/** Tells one process from a later one with the same id. Empty where the system does not say. */
export function startOfProcess(pid: number): string {
  return statOf(pid)[19] ?? '';
}
