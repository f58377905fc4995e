import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process that can be watched and stopped. */
export type Running = { readonly pid: number; readonly exited: Promise<string>; stop(): Promise<void> };

export type Kept<T extends Running> = {
  /** Resolves at the first start. Rejects if that fails, and then there is no other. */
  readonly started: Promise<T>;
  /** Ends the process and its supervision, and removes the pid file. */
  stop(): Promise<void>;
};

const restartAfterMs = 1_000;

/** Starts a process, writes its pid file, and starts it again one second after it ended, for whatever reason, until `stop`. */
export function keepRunning<T extends Running>(name: string, pidFile: string, start: () => Promise<T>, say: (message: string) => void): Kept<T> {
  const first = Promise.withResolvers<T>();
  const stopping = new AbortController();
  let current: T | undefined;
  let hasStarted = false;

  const loop = async () => {
    while (!stopping.signal.aborted) {
      try {
        current = await start();
        writePid(pidFile, current.pid);
        hasStarted = true;
        first.resolve(current);
        if (stopping.signal.aborted) return;
        const reason = await current.exited;
        current = undefined;
        if (!stopping.signal.aborted) say(`${name} ${reason}; it is started again`);
      } catch (err) {
        if (!hasStarted) return first.reject(err);
        say(`${name} cannot be started: ${err instanceof Error ? err.message : String(err)}`);
      }
      await delay(restartAfterMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const ended = loop();

  const stop = async () => {
    stopping.abort();
    await current?.stop();
    await ended;
    // One that was just being started is there now.
    await current?.stop();
    rmSync(pidFile, { force: true });
  };
  return { started: first.promise, stop };
}

// Renamed into place, so that nobody reads half a number.
function writePid(path: string, pid: number): void {
  writeFileSync(`${path}.new`, `${pid}\n`);
  renameSync(`${path}.new`, path);
}
