import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

// Below the range that systems give to outgoing connections: a server that restarts finds its port free again.
const lowest = 12_000;
const highest = 32_000;
const tries = 200;

/** A free port of 127.0.0.1. Throws if it finds none. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < tries; tried++) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port found on 127.0.0.1 between ${lowest} and ${highest}`);
}

/** The port kept in the file, if it is free, because others keep the address over a restart; else a free one, which is kept. */
export async function stablePort(file: string): Promise<number> {
  const last = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  if (last > 0 && (await isFree(last))) return last;
  const port = await freePort();
  writeFileSync(file, String(port));
  return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen(port, '127.0.0.1', () => server.close(() => settle(true)));
  });
}
