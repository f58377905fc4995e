/** Lets so many in at a time; who waits goes in by turns of their owners, so that one owner's crowd delays nobody else for longer than a turn. */
export class FairGate {
  #free: number;
  /** Who waits, by owner; the owner whose turn is next stands first. */
  readonly #waiting = new Map<string, (() => void)[]>();

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
      const line = this.#waiting.get(owner) ?? [];
      const go = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(() => this.#leave());
      };
      const giveUp = (): void => {
        line.splice(line.indexOf(go), 1);
        if (line.length === 0) this.#waiting.delete(owner);
        reject(signal.reason as Error);
      };
      this.#waiting.set(owner, line);
      line.push(go);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #leave(): void {
    const [first] = this.#waiting;
    const next = first?.[1].shift();
    if (!first || !next) {
      this.#free += 1;
      return;
    }
    const [owner, line] = first;
    this.#waiting.delete(owner);
    if (line.length > 0) this.#waiting.set(owner, line);
    next();
  }
}
