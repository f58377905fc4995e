import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isAlive, startOfProcess } from './process-of-pid.ts';

/**
 * Makes a folder if need be and writes this process into its file `owner`, so that no two living processes believe that the
 * servers of that folder are theirs to stop. Throws if another one that lives has written itself there, and if no such
 * folder can be made.
 */
export function claimFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (err) {
    throw new Error(`${folder} cannot be used as the data folder (${(err as Error).message}); set DATA_DIR to another one`, { cause: err });
  }
  const path = join(folder, 'owner');
  const last = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const own = describe(process.pid);
  const pid = Number(last.split(' ')[0]);
  if (last !== own && pid > 0 && isAlive(pid) && last === describe(pid)) throw new Error(`${folder} is used by the process ${pid}: end that, or set DATA_DIR to another folder`);
  writeFileSync(path, own, { mode: 0o600 });
}

// The start time tells a process from a later one with the same id.
function describe(pid: number): string {
  return `${pid} ${startOfProcess(pid)}`;
}

// Not by the option `recursive` of mkdir, which never ends where the system says that a parent is missing that is there (/proc).
function makeFolder(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw new Error(`${path} is a file`);
    return;
  }
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (err) {
    // Another process was faster.
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST' || !existsSync(path)) throw err;
  }
}
