import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freePort, stablePort } from './ports.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ports-'));
  file = join(folder, 'port');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a kept port is the same at each start', async () => {
  const port = await stablePort(file);
  expect(await stablePort(file)).toBe(port);
  expect(readFileSync(file, 'utf8')).toBe(String(port));
});

test('a port that somebody was given, who does not listen there yet, is given to nobody else', async () => {
  const taken = await freePort();
  writeFileSync(file, String(taken));
  const port = await stablePort(file);
  expect(port).not.toBe(taken);
  expect(readFileSync(file, 'utf8')).toBe(String(port));
});
