import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export type Leftover = { readonly pid: number; readonly command: string };

function read<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch (err) {
    // Gone meanwhile, or somebody else's.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes((err as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw err;
  }
}

/** Living processes, but this one, that inherited `mark` (NAME=value) in their environment, or work below `directory`. Linux only. */
export function findMarked(mark: string, directory?: string): Leftover[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  return pids.flatMap((pid) => {
    const environment = read(() => readFileSync(`/proc/${pid}/environ`, 'utf8')) ?? '';
    const folder = read(() => readlinkSync(`/proc/${pid}/cwd`)) ?? '';
    const isInside = directory !== undefined && (folder === directory || folder.startsWith(`${directory}/`));
    if (!isInside && !environment.split('\0').includes(mark)) return [];
    const command = (read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').replaceAll('\0', ' ').trim();
    // A process that has ended has no command line any more; only its parent has not collected it yet.
    return command === '' ? [] : [{ pid, command: command.slice(0, 120) }];
  });
}

/** Waits up to `timeoutMs` for what we started to end, then kills the rest. Returns what had to be killed. */
export async function endLeftovers(mark: string, timeoutMs: number, directory?: string): Promise<Leftover[]> {
  const end = Date.now() + timeoutMs;
  let left = findMarked(mark, directory);
  while (left.length > 0 && Date.now() < end) {
    await delay(100);
    left = findMarked(mark, directory);
  }
  const killed = left;
  for (; left.length > 0; left = findMarked(mark, directory)) {
    for (const { pid } of left) {
      read(() => process.kill(pid, 'SIGKILL'));
    }
    await delay(50);
  }
  return killed;
}
