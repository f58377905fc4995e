import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '@nightshift/runtime';

/** What is provisioned is kept here for all clones of the repository. */
export const cacheDirectory = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'nightshift');

/**
 * The path of a cached folder, which `provision` fills if it is not there. It appears whole or not at all;
 * of several processes one provisions and the others wait.
 */
export async function cached(name: string, provision: (directory: string) => Promise<void>, parent = cacheDirectory): Promise<string> {
  const path = join(parent, name);
  if (existsSync(path)) return path;
  mkdirSync(parent, { recursive: true });
  const release = await lock(`${path}.lock`);
  try {
    if (existsSync(path)) return path;
    const unfinished = mkdtempSync(`${path}.`);
    try {
      await provision(unfinished);
      renameSync(unfinished, path);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
    return path;
  } finally {
    release();
  }
}

// It only saves double work: two who got in would still not disturb each other, because the folder is renamed into place.
async function lock(path: string): Promise<() => void> {
  for (let isTold = false; ; ) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
    }
    const holder = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
    if (holder > 0 && !isAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!isTold) console.error(`nightshift: waiting for process ${holder}, which provisions the same (${path})`);
    isTold = true;
    await delay(200);
  }
}
