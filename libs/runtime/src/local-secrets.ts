import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateSealKeyPair } from '@nightshift/std';

/** The apps that call each other, by the name in their service token. */
export const APPS = ['gateway', 'runs', 'engine-orchestrator', 'tool-executor', 'webhook-dispatcher', 'billing'] as const;
export type App = (typeof APPS)[number];

/** The secrets of an installation on one machine. `created.apiKey`: the API key was made just now and should be shown once. */
export interface LocalSecrets {
  readonly apiKey: string;
  readonly adminToken: string;
  readonly sealPublicKey: string;
  readonly sealPrivateKey: string;
  readonly encryptionKey: string;
  readonly serviceTokens: Record<App, string>;
  readonly created: { readonly apiKey: boolean };
}

/** Reads the secrets below `dataDir`, making what is missing; each file has mode 0600. Throws where one of them is empty. */
export function localSecrets(dataDir: string): LocalSecrets {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const apiKey = keep(dataDir, 'api-key', () => `sk-ns-${randomBytes(24).toString('base64url')}`);
  const sealKey = keep(dataDir, 'seal-key', () => JSON.stringify(generateSealKeyPair()));
  const tokens = keep(dataDir, 'service-tokens', () => JSON.stringify(Object.fromEntries(APPS.map((app) => [app, randomBytes(24).toString('base64url')]))));
  const seal = JSON.parse(sealKey.text) as { publicKey: string; privateKey: string };
  return {
    apiKey: apiKey.text,
    adminToken: keep(dataDir, 'admin-token', () => randomBytes(24).toString('base64url')).text,
    sealPublicKey: seal.publicKey,
    sealPrivateKey: seal.privateKey,
    encryptionKey: keep(dataDir, 'encryption-key', () => randomBytes(32).toString('base64')).text,
    serviceTokens: JSON.parse(tokens.text) as Record<App, string>,
    created: { apiKey: apiKey.created },
  };
}

function keep(dataDir: string, name: string, make: () => string): { text: string; created: boolean } {
  const path = join(dataDir, name);
  const known = read(path);
  if (known === '') throw new Error(`${path} is empty; put it back from a backup, or remove it to have a new one made, with which nothing can be opened that the lost one has closed`);
  if (known !== undefined) return { text: known, created: false };
  const text = make();
  writeFileSync(`${path}.new`, `${text}\n`, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
  flushFolder(dataDir);
  return { text, created: true };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw err;
  }
}

/** What was renamed in a folder is there after a power cut only once the folder itself is stored. */
function flushFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
