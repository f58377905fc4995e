import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && !/^State:\s+[ZX]/m.test(readFileSync(status, 'utf8'));
}

/** The processes that a product wrote down in its data folder, by name: `engine-orchestrator-1`, `kafka`, `standalone` … */
export function pidsOf(dataDir: string): Map<string, number> {
  const files = globSync(['*.pid', 'cluster/*.pid'], { cwd: dataDir });
  const pids = files.map((file): [string, number] => [file.replace(/^cluster\/|\.pid$/g, ''), Number(readFileSync(join(dataDir, file), 'utf8').trim())]);
  return new Map(pids.filter(([, pid]) => Number.isInteger(pid) && pid > 1));
}

/** The process of that name as its pid file says now. */
export function pidOf(dataDir: string, name: string): number {
  const pids = pidsOf(dataDir);
  const pid = pids.get(name);
  if (pid === undefined) throw new Error(`There is no pid file of ${name}; there are ${[...pids.keys()].join(', ')}`);
  return pid;
}

/** Database servers below the data folder, also one whose parent was killed. */
export function databasePids(dataDir: string): number[] {
  return globSync('**/postmaster.pid', { cwd: dataDir }).map((file) => Number(readFileSync(join(dataDir, file), 'utf8').split('\n')[0]));
}

/** A process and all that descend from it. */
export function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = existsSync(`/proc/${name}/stat`) ? readFileSync(`/proc/${name}/stat`, 'utf8') : '';
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (parent: number): number[] => (children.get(parent) ?? []).flatMap((child) => [child, ...below(child)]);
  return [pid, ...below(pid)];
}

/** The environment that a process was started with. */
export function environmentOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter((line) => line.includes('='));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}
