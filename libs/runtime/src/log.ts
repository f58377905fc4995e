import { type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';

/** A structured logger; one wide line per handled thing, never a secret or a payload. */
export type Logger = PinoLogger;

/** Settings of a process's log. */
export interface LogOptions {
  readonly level: string;
  readonly format: 'json' | 'pretty';
}

/** The process's log, on stdout. Lines of one thread are written in the order they were logged, and those of the main thread at the latest when the process exits. */
export function createLog(options: LogOptions): Logger {
  const base = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label: string) => ({ level: label }) } };
  if (options.format === 'pretty') return pino(base, pretty({ sync: true, ignore: 'service', messageFormat: '{service} {msg}', translateTime: 'HH:MM:ss.l' }));
  // Threads write to one stdout: what is at most 4 KB long goes into a pipe as a whole (PIPE_BUF).
  return pino(base, pino.destination({ dest: 1, minLength: 2048, sync: true }));
}

/** Writes buffered lines at least every second and at exit. */
export function flushLogPeriodically(log: Logger): NodeJS.Timeout {
  process.once('exit', () => log.flush());
  return setInterval(() => log.flush(), 1000).unref();
}

/** Has the log say what Node.js would print on stderr: deprecations and the like. */
export function logWarnings(log: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => log.warn({ err: warning }, 'Node.js warns'));
}
