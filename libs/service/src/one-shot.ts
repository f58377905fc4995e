import { setTimeout as delay } from 'node:timers/promises';
import { isInfrastructure } from '@nightshift/postgres';
import { createLog, type Logger, logWarnings } from '@nightshift/runtime';
import type { ProcessEnvironment } from './environment.ts';

const AGAIN_MS = 1000;

/**
 * Does one thing and ends: with status 0, or with 1 and the reason in the log. What is away is waited for, as long as
 * it takes: whoever starts this decides how long that may be.
 */
export async function runOnce(name: string, environment: Pick<ProcessEnvironment, 'LOG_LEVEL' | 'LOG_FORMAT'>, run: (log: Logger) => Promise<void>): Promise<void> {
  const log = createLog({ level: environment.LOG_LEVEL, format: environment.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json') }).child({ service: name });
  logWarnings(log);
  for (let told = false; ; told = true) {
    try {
      return await run(log);
    } catch (err) {
      if (!isInfrastructure(err)) {
        log.fatal({ err }, 'failed');
        process.exitCode = 1;
        return;
      }
      if (!told) log.warn({ err }, 'waiting for what it needs');
      log.flush();
      await delay(AGAIN_MS);
    } finally {
      log.flush();
    }
  }
}
