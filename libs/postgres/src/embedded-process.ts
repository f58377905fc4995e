import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, isGoneWithin } from '@nightshift/runtime';

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
