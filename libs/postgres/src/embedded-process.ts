import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
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

/** The running server of a data directory, from its own pid file; undefined when there is none. */
export function findPostmaster(data: string): { pid: number; port: number } | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw err;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid)) return undefined;
  // The id may have gone to another process since; a server works in its data directory.
  if (process.platform === 'linux' && !isServerOf(pid, data)) return undefined;
  return { pid, port: Number(lines[3]) };
}

/**
 * Ends the sessions that a killed server left behind: one in the middle of a long query does not notice for
 * minutes, and its shared memory keeps a new server from starting. Only for a server that is dead.
 */
export function endSessions(data: string): void {
  if (process.platform !== 'linux') return;
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (Number.isInteger(pid) && isServerOf(pid, data)) send(pid, 'SIGKILL');
  }
}

function isServerOf(pid: number, data: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'postgres\n' && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
  } catch (err) {
    // A process of another user is not one that we started.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((err as NodeJS.ErrnoException).code ?? '')) return false;
    throw err;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err;
  }
}

/** Stops a server: fast, then immediate, then killed. Throws if it outlives even that. */
export async function stopPostmaster(pid: number): Promise<void> {
  for (const [signal, timeoutMs] of [['SIGINT', 20_000], ['SIGQUIT', 5_000], ['SIGKILL', 5_000]] as const) {
    send(pid, signal);
    if (await isGoneWithin(pid, timeoutMs)) return;
  }
  throw new Error(`PostgreSQL (pid ${pid}) cannot be stopped`);
}
