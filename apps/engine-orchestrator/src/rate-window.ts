interface Taken {
  readonly at: number;
  cost: number;
}

/** At most so much in any window of time, exactly: it remembers what was taken when. Times are milliseconds of any clock. */
export class RateWindow {
  readonly #max: number;
  readonly #windowMs: number;
  #taken: Taken[] = [];
  #sum = 0;

  constructor(max: number, windowMs = 60_000) {
    this.#max = max;
    this.#windowMs = windowMs;
  }

  /** How long until `cost` fits; 0: at once. What is more than the window ever holds fits into an empty one. */
  waitMs(cost: number, now: number): number {
    this.#forget(now);
    let over = this.#sum + cost - this.#max;
    for (const { at, cost: freed } of this.#taken) {
      if (over <= 0) return 0;
      over -= freed;
      if (over <= 0) return at + this.#windowMs - now;
    }
    const last = this.#taken.at(-1);
    return last ? last.at + this.#windowMs - now : 0;
  }

  /** Takes `cost`. Returns how to set it right once it is known. */
  take(cost: number, now: number): (cost: number) => void {
    const taken = { at: now, cost };
    this.#taken.push(taken);
    this.#sum += cost;
    return (real) => {
      if (this.#taken.includes(taken)) this.#sum += real - taken.cost;
      taken.cost = real;
    };
  }

  #forget(now: number): void {
    const from = this.#taken.findIndex(({ at }) => at + this.#windowMs > now);
    if (from === 0) return;
    const gone = from < 0 ? this.#taken.splice(0) : this.#taken.splice(0, from);
    for (const { cost } of gone) this.#sum -= cost;
  }
}
