import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { cached } from './cache.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'cache-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const fill = (text: string) => (directory: string) => Promise.resolve(writeFileSync(join(directory, 'file'), text));

test('a folder is provisioned once, also by two at the same time', async () => {
  let count = 0;
  const provision = async (directory: string) => {
    count++;
    await fill('content')(directory);
  };
  const paths = await Promise.all([cached('tool', provision, parent), cached('tool', provision, parent)]);
  expect(new Set(paths).size).toBe(1);
  expect(readFileSync(join(paths[0] ?? '', 'file'), 'utf8')).toBe('content');
  expect(count).toBe(1);
});

test('a failed provisioning leaves nothing behind, and the next one may succeed', async () => {
  const failing = async (directory: string) => {
    await fill('half')(directory);
    throw new Error('the network is away');
  };
  await expect(cached('tool', failing, parent)).rejects.toThrow('the network is away');
  expect(readdirSync(parent)).toEqual([]);
  const path = await cached('tool', fill('whole'), parent);
  expect(readFileSync(join(path, 'file'), 'utf8')).toBe('whole');
});

test('the lock of a process that was killed does not count', async () => {
  writeFileSync(join(parent, 'tool.lock'), '4194305');
  const path = await cached('tool', fill('content'), parent);
  expect(existsSync(join(path, 'file'))).toBe(true);
});
