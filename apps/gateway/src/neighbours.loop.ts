import type { InternalClient } from '@nightshift/http';
import { type App, metrics } from '@nightshift/runtime';
import { checkNeighbour } from './neighbours.client.ts';

const EVERY_MS = 5000;

/** Measures every five seconds which of the services behind the gateway are ready: one that is gone cannot say so. */
export class NeighboursLoop {
  readonly #neighbours: readonly (readonly [App, InternalClient])[];
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(neighbours: readonly (readonly [App, InternalClient])[], everyMs: number = EVERY_MS) {
    this.#neighbours = neighbours;
    this.#everyMs = everyMs;
  }

  start(): void {
    void this.#look();
    this.#timer = setInterval(() => void this.#look(), this.#everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    await Promise.all(
      this.#neighbours.map(async ([dependency, client]) => {
        const isAway = (await checkNeighbour(dependency, client)).some((result) => result.state === 'unready' || (result.state === 'degraded' && result.missing === dependency));
        metrics.dependencyUp.set({ service: 'gateway', dependency }, isAway ? 0 : 1);
      }),
    );
  }
}
