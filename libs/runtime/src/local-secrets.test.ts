import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { localSecrets } from './local-secrets.ts';

let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'secrets-'))));
afterEach(() => rmSync(home, { recursive: true }));

test('secrets are made once, for their owner alone, and nothing is left beside them', () => {
  const made = localSecrets(home);
  expect(made.created).toEqual({ apiKey: true });
  expect(localSecrets(home)).toEqual({ ...made, created: { apiKey: false } });
  expect(readdirSync(home).toSorted()).toEqual(['admin-token', 'api-key', 'encryption-key', 'seal-key', 'service-tokens']);
  for (const name of readdirSync(home)) expect(statSync(join(home, name)).mode & 0o777).toBe(0o600);
});

test.each(['admin-token', 'api-key', 'encryption-key', 'seal-key', 'service-tokens'])('a file that has lost its secret is refused by name, and never taken for one: %s', (name) => {
  localSecrets(home);
  writeFileSync(join(home, name), '\n');
  expect(() => localSecrets(home)).toThrow(`${join(home, name)} is empty; put it back from a backup`);
});
