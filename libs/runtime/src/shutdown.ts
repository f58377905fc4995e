import type { Logger } from './log.ts';

/**
 * The order in which a process lets go: stop claiming, finish what is held and then what has come meanwhile, answer the last
 * requests and messages and take no more, write what is buffered, close connections, end servers of its own.
 */
export const PHASES = ['refuse', 'drain', 'finish', 'hang_up', 'flush', 'close', 'end'] as const;
export type Phase = (typeof PHASES)[number];

interface Step {
  readonly phase: Phase;
  readonly name: string;
  readonly run: (hurry: AbortSignal) => Promise<void> | void;
}

/**
 * Ordered shutdown of one process. Steps of a phase run side by side; a phase starts when the one before is done.
 * `hurry` is aborted by a second signal or when the time is up: a step then hands back what it holds instead of waiting.
 */
export class Shutdown {
  readonly #steps: Step[] = [];
  readonly #hurry = new AbortController();
  #running: Promise<void> | undefined;
  #started = false;

  /** True from the moment a shutdown was asked for. */
  get started(): boolean {
    return this.#started;
  }

  add(phase: Phase, name: string, run: Step['run']): void {
    this.#steps.push({ phase, name, run });
  }

  /** Runs all steps once; asking again while it runs skips the waiting. */
  run(log: Logger, graceMs: number): Promise<void> {
    if (this.#running) {
      this.hurry();
      return this.#running;
    }
    const timer = setTimeout(() => this.hurry(), graceMs);
    this.#running = this.#runPhases(log).finally(() => clearTimeout(timer));
    return this.#running;
  }

  /** No step waits any longer. */
  hurry(): void {
    this.#hurry.abort();
  }

  async #runPhases(log: Logger): Promise<void> {
    for (const phase of PHASES) await this.runPhase(phase, log);
  }

  /** Runs the steps of one phase, where another thread decides when. */
  async runPhase(phase: Phase, log: Logger): Promise<void> {
    this.#started = true;
    const steps = this.#steps.filter((step) => step.phase === phase);
    await Promise.all(
      steps.map(async (step) => {
        try {
          await step.run(this.#hurry.signal);
        } catch (err) {
          log.error({ err, phase, step: step.name }, 'shutdown step failed');
        }
      }),
    );
  }
}

/** Ends the process in order on SIGTERM and SIGINT, with status 0. Five seconds after hurry it ends whatever is left, with status 1. */
export function shutdownOnSignal(shutdown: Shutdown, log: Logger, graceMs: number): void {
  const CLOSE_MS = 5000;
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal, again: shutdown.started }, 'stopping');
    setTimeout(() => process.exit(1), (shutdown.started ? 0 : graceMs) + CLOSE_MS).unref();
    void shutdown.run(log, graceMs).then(() => {
      log.flush();
      process.exit(0);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
