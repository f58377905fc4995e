import { WATCHED_CHANNEL, WATCHED_FOR_MS } from './frame-channel.ts';
import type { Hints } from './hints.ts';

/** Which runs somebody watches, as far as has been heard: it decides how soon frames are stored, and nothing else. */
export class WatchedRuns {
  #heard = new Map<string, number>();
  #before = new Map<string, number>();
  #turnedAt = 0;

  /** `begun` is told of runs that were not watched until now. */
  constructor(hints: Hints, begun: (runId: string) => void) {
    hints.listen(WATCHED_CHANNEL, (text) => {
      this.#turn();
      for (const runId of text.split(' ')) {
        const isNew = !this.has(runId);
        this.#heard.set(runId, performance.now());
        if (isNew) begun(runId);
      }
    });
  }

  has(runId: string): boolean {
    const at = this.#heard.get(runId) ?? this.#before.get(runId);
    return at !== undefined && performance.now() - at < WATCHED_FOR_MS;
  }

  /** What was last heard two rounds ago is forgotten. */
  #turn(): void {
    if (performance.now() - this.#turnedAt < WATCHED_FOR_MS) return;
    this.#turnedAt = performance.now();
    this.#before = this.#heard;
    this.#heard = new Map();
  }
}
