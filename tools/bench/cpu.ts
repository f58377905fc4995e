import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { findMarked } from '../leftovers.ts';

/** CPU time in milliseconds since the processes began. */
export type CpuTimes = { readonly productMs: number; readonly infrastructureMs: number };

/** Length of one tick of /proc/<pid>/stat on Linux. */
const TICK_MS = 10;

/** CPU time of everything that carries the mark: the product's own processes, and apart the databases and brokers it started. Linux only. */
export function cpuTimes(mark: string, directory: string): CpuTimes {
  let productMs = 0;
  let infrastructureMs = 0;
  for (const { pid } of findMarked(mark, directory)) {
    const ms = cpuMs(pid);
    if (isNode(pid)) productMs += ms;
    else infrastructureMs += ms;
  }
  return { productMs, infrastructureMs };
}

/** Memory in bytes that the product's own processes hold. Linux only. */
export function memoryBytes(mark: string, directory: string): number {
  const own = findMarked(mark, directory).filter(({ pid }) => isNode(pid));
  return own.reduce((sum, { pid }) => sum + Number(/^VmRSS:\s+(\d+) kB/m.exec(readOr(() => readFileSync(`/proc/${pid}/status`, 'utf8')))?.[1] ?? 0) * 1024, 0);
}

/** Ticks of all processors since the machine began: all of them, and those that a virtual machine's host gave to others. */
export function readCpu(): { readonly all: number; readonly stolen: number } {
  const line = readOr(() => readFileSync('/proc/stat', 'utf8')).split('\n')[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return { all: ticks.reduce((sum, one) => sum + one, 0), stolen: ticks[7] ?? 0 };
}

/** The part of the processors' time between two readings that the host gave to others. */
export function stolenShare(before: ReturnType<typeof readCpu>, after: ReturnType<typeof readCpu>): number {
  return after.all > before.all ? (after.stolen - before.stolen) / (after.all - before.all) : 0;
}

/** What passed between two readings, for each of `count` pieces of work. */
export function cpuPer(before: CpuTimes, after: CpuTimes, count: number): CpuTimes {
  return {
    productMs: (after.productMs - before.productMs) / count,
    infrastructureMs: (after.infrastructureMs - before.infrastructureMs) / count,
  };
}

/** Its own time and that of the children it has waited for, so that a child that ends between two readings is not lost. */
function cpuMs(pid: number): number {
  const stat = readOr(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS;
}

function isNode(pid: number): boolean {
  return basename(readOr(() => readlinkSync(`/proc/${pid}/exe`))) === 'node';
}

/** Nothing, for a process that has ended meanwhile. */
function readOr(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
