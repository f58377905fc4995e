import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { embeddedUrl } from '@nightshift/postgres';
import { type Addresses, addressesFile } from '../cluster/addresses.ts';
import { EXIT, Failure } from './failure.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly adminUrl?: string;
  readonly tokenFile?: string;
  readonly dataDir?: string;
  readonly envFile?: string;
}

/** A process that can be asked how it is. */
export interface Endpoint {
  readonly name: string;
  readonly url: string;
  readonly metricsUrl: string | undefined;
}

/** The installation that a command is about: one on this machine, found by its data folder, or one that the environment names. */
export interface Installation {
  /** The command's environment, completed by what is known of a local installation. */
  readonly env: Environment;
  readonly dataDir: string;
  readonly adminUrl: string;
  /** Throws a `Failure` when there is none. */
  readonly adminToken: () => string;
  readonly services: readonly Endpoint[];
}

const root = join(import.meta.dirname, '../..');

/** Finds it. What options say stands before the environment, and both before the data folder. */
export function findInstallation(options: GlobalOptions, environment: Environment): Installation {
  const given: Environment = { ...environment, ...(options.envFile !== undefined && parseEnv(readOrFail(options.envFile))) };
  const dataDir = resolve(root, options.dataDir ?? (given['DATA_DIR'] || '.nightshift'));
  const local = readAddresses(dataDir);
  const env = { ...(local?.servers ?? standaloneServers(dataDir)), ...withoutEmpty(given) };
  const port = Number(given['PORT'] || 8080);
  return {
    env,
    dataDir,
    adminUrl: (options.adminUrl ?? (given['ADMIN_URL'] || local?.adminUrl || `http://127.0.0.1:${given['ADMIN_PORT'] || port + 1}`)).replace(/(\/admin(\/v1)?)?\/*$/, ''),
    adminToken: () => tokenOf(options, given, dataDir),
    services: local?.services ?? (existsSync(join(dataDir, 'standalone.pid')) ? [{ name: 'standalone', url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${port}/metrics` }] : []),
  };
}

function tokenOf(options: GlobalOptions, env: Environment, dataDir: string): string {
  if (options.tokenFile !== undefined) return readOrFail(options.tokenFile).trim();
  if (env['ADMIN_TOKEN']) return env['ADMIN_TOKEN'];
  if (env['ADMIN_TOKEN_FILE']) return readOrFail(env['ADMIN_TOKEN_FILE']).trim();
  const kept = join(dataDir, 'admin-token');
  if (existsSync(kept)) return readOrFail(kept).trim();
  throw new Failure(EXIT.usage, `no token for the admin API: set ADMIN_TOKEN or ADMIN_TOKEN_FILE, or name the data folder of a local installation (there is no ${kept})`);
}

/** What a standalone process with its own database has. */
function standaloneServers(dataDir: string): Environment {
  const url = embeddedUrl(join(dataDir, 'postgres'));
  return url === undefined ? {} : { DATABASE_URL: url };
}

function readAddresses(dataDir: string): Addresses | undefined {
  const file = join(dataDir, 'cluster', addressesFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Addresses) : undefined;
}

function withoutEmpty(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
}

function readOrFail(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (err) {
    throw new Failure(EXIT.usage, `cannot read ${path}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
}
