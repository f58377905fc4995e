import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, closeSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { claimFolder, isAlive, stablePort } from '@nightshift/runtime';
import pg from 'pg';
import { type Account, type Binaries, findBinaries, makePrivateDirectory, serverAccount } from './embedded-account.ts';
import { endSessions, findPostmaster, stopPostmaster } from './embedded-process.ts';

export type EmbeddedPostgres = {
  /** Connection URL of the database `nightshift`, with the password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves with the reason when the server has ended, whoever ended it. */
  readonly exited: Promise<string>;
  /** Fast shutdown: open transactions are rolled back, the data is flushed. Resolves when the process is gone. */
  stop(): Promise<void>;
};

const user = 'nightshift';
const startTimeoutMs = 60_000;
const logBytesMax = 16 * 1024 * 1024;

// A small server that loses nothing it has acknowledged.
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  shared_buffers: '192MB',
  effective_cache_size: '512MB',
  work_mem: '8MB',
  maintenance_work_mem: '64MB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  wal_level: 'minimal',
  max_wal_senders: 0,
  wal_buffers: '16MB',
  max_wal_size: '1GB',
  checkpoint_timeout: '5min',
  checkpoint_completion_target: 0.9,
  random_page_cost: 1.1,
  jit: 'off',
  io_method: 'sync',
  max_parallel_workers_per_gather: 0,
  max_logical_replication_workers: 0,
  autovacuum: 'on',
  autovacuum_naptime: '5s',
  autovacuum_max_workers: 2,
  // New statistics have every statement of every connection planned anew, so not whenever a tenth of a table has changed, as by default.
  autovacuum_analyze_threshold: 1_000,
  autovacuum_analyze_scale_factor: 0.5,
  autovacuum_vacuum_cost_delay: '5ms',
  idle_in_transaction_session_timeout: '60s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
};

// For glibc, which gives a statement's memory back to the system at its end only to ask for it again: 4 % of the server's time.
const memoryKept = { MALLOC_TOP_PAD_: '1048576', MALLOC_TRIM_THRESHOLD_: '8388608', MALLOC_MMAP_THRESHOLD_: '4194304' };

/**
 * Starts the PostgreSQL that comes with the npm package on 127.0.0.1, with its files in `dataDir`: `data/`, the
 * superuser's generated `password` (0600), the `port` and `postgres.log`. A server that a killed process left
 * behind is adopted. The port is the one given, else the one of last time if it is free, else any.
 * As root the server runs under an unprivileged account. Throws if another living process uses `dataDir`.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  port?: number;
  log?: (message: string) => void;
}): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const dataDir = resolve(options.dataDir);
  const data = join(dataDir, 'data');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  claimFolder(dataDir);

  const account = serverAccount(data);
  const binaries = findBinaries(account);
  const password = readPassword(dataDir, existsSync(data));
  if (!existsSync(data)) {
    log('creating the database files');
    await initialise(dataDir, binaries, password, account);
  }
  const created = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  if (created !== binaries.version.split('.')[0]) {
    throw new Error(`${data} was made by PostgreSQL ${created}, this is ${binaries.version}: dump it with the old version and restore it`);
  }
  const urlOf = (port: number, database: string) => `postgresql://${user}:${password}@127.0.0.1:${port}/${database}`;

  const orphan = findPostmaster(data);
  if (orphan !== undefined) {
    const usable = options.port === undefined || options.port === orphan.port;
    if (usable && (await answers(urlOf(orphan.port, 'postgres'), () => isAlive(orphan.pid), 5_000))) {
      log(`adopting the database server with pid ${orphan.pid}`);
      await ensureDatabase(urlOf(orphan.port, 'postgres'));
      return { url: urlOf(orphan.port, user), port: orphan.port, pid: orphan.pid, exited: watch(orphan.pid), stop: () => stopPostmaster(orphan.pid) };
    }
    log(`stopping the database server with pid ${orphan.pid}`);
    await stopPostmaster(orphan.pid);
  }
  endSessions(data);

  const port = options.port ?? (await stablePort(join(dataDir, 'port')));
  const child = await launch({ dataDir, data, binaries, account, port, url: urlOf(port, 'postgres') });
  await ensureDatabase(urlOf(port, 'postgres'));
  const { pid } = child;
  const exited = new Promise<string>((settle) => {
    if (child.exitCode !== null || child.signalCode !== null) settle(describeExit(child));
    child.once('exit', () => settle(describeExit(child)));
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) await stopPostmaster(pid);
    await exited;
  };
  return { url: urlOf(port, user), port, pid, exited, stop };
}

/** The URL of the server that keeps its files in `dataDir`, as it was started last; undefined where there is none. */
export function embeddedUrl(dataDir: string): string | undefined {
  const [password, port] = ['password', 'port'].map((name) => join(dataDir, name));
  if (password === undefined || port === undefined || !existsSync(password) || !existsSync(port)) return undefined;
  return `postgresql://${user}:${readFileSync(password, 'utf8').trim()}@127.0.0.1:${readFileSync(port, 'utf8').trim()}/${user}`;
}

function readPassword(dataDir: string, isInitialised: boolean): string {
  const path = join(dataDir, 'password');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  if (isInitialised) throw new Error(`${path} is missing; without it nobody can log in to the database beside it`);
  const password = randomBytes(24).toString('base64url');
  writeFileSync(path, `${password}\n`, { mode: 0o600, flush: true });
  return password;
}

async function initialise(dataDir: string, binaries: Binaries, password: string, account: Account | undefined): Promise<void> {
  // Made aside and renamed, so that a killed initdb leaves no half database.
  const unfinished = join(dataDir, 'data.new');
  rmSync(unfinished, { recursive: true, force: true });
  makePrivateDirectory(unfinished, account);
  const temporary = mkdtempSync(join(tmpdir(), 'nightshift-'));
  const passwordFile = join(temporary, 'password');
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account !== undefined) for (const path of [temporary, passwordFile]) chownSync(path, account.uid, account.gid);
    const args = ['--auth=scram-sha-256', `--username=${user}`, `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'];
    const logFile = join(dataDir, 'postgres.log');
    const child = spawnServer(binaries.initdb, unfinished, args, logFile, account);
    await new Promise((settle, fail) => child.once('exit', settle).once('error', fail));
    if (child.exitCode !== 0) throw new Error(`initdb ${describeExit(child)}: ${lastLines(logFile)}`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  renameSync(unfinished, join(dataDir, 'data'));
}

/**
 * Its own session, so that Ctrl-C in a terminal does not end it before us. On Linux another account gets the data
 * directory as an open descriptor: the account need not be able to enter the folders above it, such as /root.
 */
function spawnServer(program: string, data: string, args: readonly string[], logFile: string, account: Account | undefined): ChildProcess {
  const log = openSync(logFile, 'a', 0o600);
  const descriptor = openSync(data, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const path = account !== undefined && process.platform === 'linux' ? '/proc/self/fd/3' : data;
    return spawn(program, ['-D', path, ...args], {
      ...account,
      cwd: '/',
      detached: true,
      env: { PATH: process.env['PATH'], LC_ALL: 'C', ...memoryKept },
      stdio: ['ignore', log, log, descriptor],
    });
  } finally {
    closeSync(log);
    closeSync(descriptor);
  }
}

async function launch(server: { dataDir: string; data: string; binaries: Binaries; account: Account | undefined; port: number; url: string }): Promise<ChildProcess & { pid: number }> {
  const logFile = join(server.dataDir, 'postgres.log');
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(logFile, `${logFile}.1`);
  const args = Object.entries({ port: server.port, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const end = Date.now() + startTimeoutMs;
  for (;;) {
    const child = spawnServer(server.binaries.postgres, server.data, args, logFile, server.account);
    let failure: Error | undefined;
    child.once('error', (err) => (failure = err));
    const isRunning = () => failure === undefined && child.exitCode === null && child.signalCode === null;
    const ready = await answers(server.url, isRunning, end - Date.now());
    if (failure !== undefined) throw failure;
    if (ready && isRunning() && child.pid !== undefined) return child as ChildProcess & { pid: number };
    const reason = lastLines(logFile);
    if (isRunning() && child.pid !== undefined) await stopPostmaster(child.pid);
    // The sessions of a killed server hold its shared memory for a moment.
    const isPassing = /shared memory|lock file "postmaster\.pid"/.test(reason);
    if (!isPassing || Date.now() > end) throw new Error(`PostgreSQL does not start: ${reason}`);
    await delay(100);
  }
}

// Until the deadline, or until the server is known to have ended. A wrong password or a full server is no reason to wait.
async function answers(url: string, isRunning: () => boolean, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (isRunning() && Date.now() < end) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch (err) {
      if ((err as { code?: string }).code?.startsWith('28')) return false;
    } finally {
      await client.end().catch(() => undefined);
    }
    await delay(15);
  }
  return false;
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [user]);
    if (rowCount === 0) await client.query(`create database ${user}`);
  } finally {
    await client.end();
  }
}

async function watch(pid: number): Promise<string> {
  while (isAlive(pid)) await delay(200);
  return 'ended';
}

function describeExit(child: ChildProcess): string {
  return child.signalCode === null ? `ended with code ${child.exitCode}` : `was ended by ${child.signalCode}`;
}

function lastLines(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join(' | ');
}
