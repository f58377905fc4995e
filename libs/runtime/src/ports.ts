import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

// Below the range that systems give to outgoing connections: a server that restarts finds its port free again.
const lowest = 12_000;
const highest = 32_000;
const tries = 200;
// By port, the file that keeps it, or nothing: what was given away is taken, although nobody may listen there yet.
const given = new Map<number, string | undefined>();

/** A free port of 127.0.0.1, another one at each call. Throws if it finds none. */
export function freePort(): Promise<number> {
  return freePortOf(undefined);
}

/** The port kept in the file, if it is free and nobody else was given it, because others keep the address over a restart; else a free one, which is kept. */
export async function stablePort(file: string): Promise<number> {
  const last = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  const isOurs = (): boolean => !given.has(last) || given.get(last) === file;
  if (last > 0 && isOurs() && (await isFree(last)) && isOurs()) {
    given.set(last, file);
    return last;
  }
  const port = await freePortOf(file);
  writeFileSync(file, String(port));
  return port;
}

async function freePortOf(file: string | undefined): Promise<number> {
  for (let tried = 0; tried < tries; tried++) {
    const port = randomInt(lowest, highest);
    if (given.has(port) || !(await isFree(port)) || given.has(port)) continue;
    given.set(port, file);
    return port;
  }
  throw new Error(`No free port found on 127.0.0.1 between ${lowest} and ${highest}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen(port, '127.0.0.1', () => server.close(() => settle(true)));
  });
}
