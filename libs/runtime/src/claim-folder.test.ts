import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { claimFolder } from './claim-folder.ts';

let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'claim-'))));
afterEach(() => rmSync(home, { recursive: true }));

test('a folder is made with its parents, for its owner alone, and may be claimed again by the same process', () => {
  const folder = join(home, 'a/b');
  claimFolder(folder);
  claimFolder(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(folder, 'owner'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
});

test('a folder that cannot be made is told with its cause and what to set', () => {
  const file = join(home, 'file');
  writeFileSync(file, '');
  expect(() => claimFolder(file)).toThrow(`${file} cannot be used as the data folder (${file} is a file); set DATA_DIR to another one`);
  expect(() => claimFolder(join(file, 'a'))).toThrow(/is a file.*set DATA_DIR/);
  expect(() => claimFolder('/proc/nowhere/a')).toThrow(/set DATA_DIR/);
});
