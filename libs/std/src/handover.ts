/** What somebody makes and somebody else takes as it comes: all that there is at once, in order. For one taker. */
export class Handover<T> implements AsyncIterableIterator<readonly T[]> {
  readonly #onTaken: () => void;
  #ready: T[] = [];
  #waiting: { resolve: (result: IteratorResult<readonly T[]>) => void; reject: (err: unknown) => void } | undefined;
  #end: { readonly err: unknown } | undefined;

  /** `onTaken` hears that nothing is left, and that the taker has left. */
  constructor(onTaken: () => void = () => undefined) {
    this.#onTaken = onTaken;
  }

  /** True once nothing more will be taken or made. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Values that nobody has taken yet. */
  get size(): number {
    return this.#ready.length;
  }

  /** Adds values; none is kept after the end. */
  push(values: readonly T[]): void {
    if (this.#end || values.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve({ done: false, value: values });
    else this.#ready.push(...values);
  }

  /** Nothing follows; with an error, which whoever takes gets after all that was added before. The first end counts. */
  end(err?: unknown): void {
    if (this.#end) return;
    this.#end = { err };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting && err !== undefined) waiting.reject(err);
    else waiting?.resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<readonly T[]>> {
    if (this.#ready.length > 0) {
      const value = this.#ready;
      this.#ready = [];
      this.#onTaken();
      return Promise.resolve({ done: false, value });
    }
    if (this.#end) {
      const { err } = this.#end;
      this.#end = { err: undefined };
      return err === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(err);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<readonly T[]>> {
    this.#ready = [];
    this.end();
    this.#onTaken();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
