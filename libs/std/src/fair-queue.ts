/** A queue that takes its lanes in turn: a thousand items of one do not delay an item of another. */
export class FairQueue<T> {
  readonly #lanes = new Map<string, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(lane: string, item: T): void {
    const items = this.#lanes.get(lane);
    if (items) items.push(item);
    else this.#lanes.set(lane, [item]);
    this.#size += 1;
  }

  /** Takes out one item, wherever it stands in its lane; what is not there any more is left alone. */
  remove(lane: string, item: T): void {
    const items = this.#lanes.get(lane);
    const at = items?.indexOf(item) ?? -1;
    if (!items || at < 0) return;
    items.splice(at, 1);
    if (items.length === 0) this.#lanes.delete(lane);
    this.#size -= 1;
  }

  /** What `take` would return. */
  peek(): T | undefined {
    for (const [item] of this.#lanes.values()) return item;
    return undefined;
  }

  /** The next item, and its lane goes to the end. */
  take(): T | undefined {
    for (const [lane, items] of this.#lanes) {
      const item = items.shift();
      this.#lanes.delete(lane);
      if (items.length > 0) this.#lanes.set(lane, items);
      this.#size -= 1;
      return item;
    }
    return undefined;
  }
}
