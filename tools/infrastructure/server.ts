import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A server that this process started or adopted. */
export type Server = {
  readonly name: string;
  /** What clients need to connect: a URL, or a list of brokers. */
  readonly address: string;
  readonly pid: number;
  /** Resolves with the reason when the server has ended, whoever ended it. */
  readonly exited: Promise<string>;
  /** Lets it end in order; kills it after 15 s. Resolves when the process is gone. */
  stop(): Promise<void>;
};

const stopTimeoutMs = 15_000;
const logBytesMax = 16 * 1024 * 1024;

/**
 * Starts a server in its own session (Ctrl-C reaches only us, who stop it last) and resolves when `isReady` does.
 * Throws with its last words if it ends before, or is not ready in `timeoutMs`.
 */
export async function startServer(options: {
  name: string;
  address: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
  timeoutMs: number;
  /** Asked again and again with what the server has logged since its start. */
  isReady: (logged: string) => boolean | Promise<boolean>;
}): Promise<Server> {
  const { name, address, logFile } = options;
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, 'a', 0o600);
  const before = fstatSync(log).size;
  const logged = () => readFrom(logFile, before);
  const child = spawn(options.command, options.args, { cwd: options.cwd, env: options.env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | undefined;
  const exited = new Promise<string>((settle) => {
    child.once('error', (err) => settle((ended = `cannot be started: ${err.message}`)));
    child.once('exit', (code, signal) => settle((ended = signal === null ? `ended with code ${code}` : `was ended by ${signal}`)));
  });
  const stop = async () => {
    if (ended === undefined) child.kill('SIGTERM');
    const patience = new AbortController();
    const timer = delay(stopTimeoutMs, undefined, { signal: patience.signal }).then(() => child.kill('SIGKILL'), () => undefined);
    await exited;
    patience.abort();
    await timer;
  };
  const end = Date.now() + options.timeoutMs;
  while (!(await options.isReady(logged()))) {
    if (ended === undefined && Date.now() < end) {
      await Promise.race([delay(30), exited]);
      continue;
    }
    const reason = ended ?? `is not ready after ${options.timeoutMs} ms`;
    await stop();
    throw new Error(`${name} ${reason}: ${logged().trim().split('\n').slice(-5).join(' | ')}`);
  }
  if (ended !== undefined || child.pid === undefined) throw new Error(`${name} ${ended}`);
  return { name, address, pid: child.pid, exited, stop };
}

function readFrom(path: string, position: number): string {
  const file = openSync(path, 'r');
  try {
    const text = Buffer.alloc(Math.max(0, fstatSync(file).size - position));
    return text.toString('utf8', 0, readSync(file, text, 0, text.length, position));
  } finally {
    closeSync(file);
  }
}
