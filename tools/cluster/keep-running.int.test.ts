import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import { keepRunning, type Kept, type Running } from './keep-running.ts';

let folder: string;
let pidFile: string;
let kept: Kept<Running> | undefined;
const said: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keep-'));
  pidFile = join(folder, 'idle.pid');
  said.length = 0;
});

afterEach(async () => {
  await kept?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startIdle(): Promise<Running> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const exited = once(child, 'exit').then(([code, signal]) => `ended with ${String(signal ?? code)}`);
  return { pid: child.pid ?? 0, exited, stop: async () => void (child.kill(), await exited) };
}

const writtenPid = () => Number(readFileSync(pidFile, 'utf8'));

test('a process that is killed is there again, with its new id in the pid file', async () => {
  kept = keepRunning('idle', pidFile, startIdle, (message) => said.push(message));
  const { pid } = await kept.started;
  expect(writtenPid()).toBe(pid);
  process.kill(pid, 'SIGKILL');
  const next = await waitFor(() => writtenPid() !== pid && writtenPid());
  expect(() => process.kill(next, 0)).not.toThrow();
  expect(said).toEqual(['idle ended with SIGKILL; it is started again']);
});

test('a stopped process stays stopped and leaves no pid file', async () => {
  kept = keepRunning('idle', pidFile, startIdle, (message) => said.push(message));
  const { pid, exited } = await kept.started;
  await kept.stop();
  await exited;
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  expect(existsSync(pidFile)).toBe(false);
  expect(said).toEqual([]);
});

test('one that is being started when it is stopped does not outlive that', async () => {
  const begun = Promise.withResolvers<Running>();
  const isAsked = Promise.withResolvers<void>();
  kept = keepRunning('idle', pidFile, () => (isAsked.resolve(), begun.promise), () => undefined);
  await isAsked.promise;
  const stopped = kept.stop();
  const late = await startIdle();
  begun.resolve(late);
  await stopped;
  expect(await late.exited).toBe('ended with SIGTERM');
});

test('a first start that fails is the caller’s to hear, and is not repeated', async () => {
  let starts = 0;
  kept = keepRunning('idle', pidFile, () => Promise.reject(new Error(`no port, try ${++starts}`)), (message) => said.push(message));
  await expect(kept.started).rejects.toThrow('no port, try 1');
  await kept.stop();
  expect(starts).toBe(1);
});
