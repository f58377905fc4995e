import { FairQueue } from './fair-queue.ts';

/** Lets so many in at a time; who waits goes in by turns of their owners, so that one owner's crowd delays nobody else for longer than a turn. */
export class FairGate {
  #free: number;
  readonly #waiting = new FairQueue<() => void>();

  constructor(slots: number) {
    this.#free = slots;
  }

  /** Resolves with the way out, which has to be taken once. Rejects with the reason of `signal` when nobody waits for it any more. */
  enter(owner: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(() => this.#leave());
    }
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(() => this.#leave());
      };
      const giveUp = (): void => {
        this.#waiting.remove(owner, go);
        reject(signal.reason as Error);
      };
      this.#waiting.add(owner, go);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #leave(): void {
    const next = this.#waiting.take();
    if (next) next();
    else this.#free += 1;
  }
}
