import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, startOfProcess } from './process-of-pid.ts';

/**
 * Writes this process into the file `owner` of a folder, so that no two living processes believe that the servers
 * of that folder are theirs to stop. Throws if another one that lives has written itself there.
 */
export function claimFolder(folder: string): void {
  const path = join(folder, 'owner');
  const last = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const own = describe(process.pid);
  const pid = Number(last.split(' ')[0]);
  if (last !== own && pid > 0 && isAlive(pid) && last === describe(pid)) throw new Error(`${folder} is used by the process ${pid}`);
  writeFileSync(path, own, { mode: 0o600 });
}

// The start time tells a process from a later one with the same id.
function describe(pid: number): string {
  return `${pid} ${startOfProcess(pid)}`;
}
