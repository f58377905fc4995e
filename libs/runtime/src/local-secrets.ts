import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
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

/** Reads the secrets below `dataDir`, making what is missing; each file has mode 0600. */
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
  try {
    return { text: readFileSync(path, 'utf8').trim(), created: false };
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
  }
  const text = make();
  writeFileSync(`${path}.new`, `${text}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return { text, created: true };
}
