import { spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from './keep-running.ts';
import type { ServiceProcess } from './plan.ts';

const root = join(import.meta.dirname, '../..');
const logBytesMax = 64 * 1024 * 1024;

/**
 * Starts one service, in its own session: a Ctrl-C reaches only the supervisor, who passes it on once. `stop` lets it
 * drain for `timeoutMs()`, and kills it then; when `hurry` is aborted the service is told again, and given 3 s.
 */
export function startService(service: ServiceProcess, env: NodeJS.ProcessEnv, logFile: string, timeoutMs: number, hurry: AbortSignal): Promise<Running> {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, ['--enable-source-maps', join(root, 'apps', service.app, 'dist/main.js')], {
    cwd: root,
    env: { ...env, ...service.env },
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let isRunning = true;
  const exited = new Promise<string>((settle) => {
    child.once('exit', (code, signal) => {
      isRunning = false;
      settle(`${signal === null ? `ended with code ${code}` : `was ended by ${signal}`} (${logFile})`);
    });
  });
  const stop = async () => {
    if (!isRunning) return;
    child.kill('SIGTERM');
    // One that is stopped in its tracks would not hear it.
    child.kill('SIGCONT');
    const done = new AbortController();
    void exited.then(() => done.abort());
    await delay(timeoutMs, undefined, { signal: AbortSignal.any([hurry, done.signal]) }).catch(() => undefined);
    if (isRunning && hurry.aborted) {
      child.kill('SIGTERM');
      await delay(3_000, undefined, { signal: done.signal }).catch(() => undefined);
    }
    if (isRunning) child.kill('SIGKILL');
    await exited;
  };
  return new Promise((settle, fail) => {
    child.once('error', fail);
    child.once('spawn', () => settle({ pid: child.pid ?? 0, exited, stop }));
  });
}
