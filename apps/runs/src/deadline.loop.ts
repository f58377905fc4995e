import { isInfrastructure } from '@nightshift/postgres';
import type { Logger } from '@nightshift/runtime';
import type { RunStore } from './run.store.ts';

const EVERY_MS = 500;
const ROWS = 200;

/** Times runs out and asks the engine again about runs it has been silent on. */
export class DeadlineLoop {
  readonly #runs: RunStore;
  readonly #log: Logger;
  #stopped = false;
  #round: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(runs: RunStore, log: Logger) {
    this.#runs = runs;
    this.#log = log;
  }

  start(): void {
    if (this.#stopped) return;
    this.#round = this.#attend().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), EVERY_MS);
    });
  }

  async #attend(): Promise<void> {
    try {
      while (!this.#stopped && (await this.#runs.attendDue(ROWS)) === ROWS);
    } catch (err) {
      if (!isInfrastructure(err)) this.#log.error({ err }, 'deadlines');
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }
}
