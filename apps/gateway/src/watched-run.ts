import type { Frame } from '@nightshift/contracts';
import { isLast } from './run-wire.ts';

/** Text of new frames that is kept for those who are nearly there, in UTF-16 units; who is further behind reads what is stored. */
const KEPT_UNITS_MAX = 1024 * 1024;
/** Text that was read and is kept for others who come from the same place: the start of a run that many look at, no more. */
const READ_UNITS_MAX = 16 * 1024;

/** What is known of a run that somebody watches: how far its frames reach, and the newest of them. */
export class WatchedRun {
  #frames: Frame[] = [];
  #units = 0;
  #head = 0;
  #isEnded = false;
  readonly #waiting = new Set<() => void>();

  /** The highest number known of. */
  get head(): number {
    return this.#head;
  }

  /** Whether the last frame is known of. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** New frames came, in order. Where some are missing before them, what was kept is useless. */
  add(frames: readonly Frame[]): void {
    for (const frame of frames) {
      const last = this.#frames.at(-1)?.seq;
      if (last !== undefined && frame.seq <= last) continue;
      if (last !== undefined && frame.seq !== last + 1) this.#drop(this.#frames.length);
      this.#frames.push(frame);
      this.#units += frame.text.length;
    }
    let count = 0;
    for (let units = this.#units; units > KEPT_UNITS_MAX && count < this.#frames.length - 1; count += 1) units -= (this.#frames[count] as Frame).text.length;
    this.#drop(count);
    const last = this.#frames.at(-1);
    if (last) this.reach(last.seq, isLast(last));
  }

  /** Stored frames were read, in order: little is kept like what is new, so that the next reader need not ask. */
  keep(frames: readonly Frame[]): void {
    const isLittle = frames.reduce((units, { text }) => units + text.length, 0) <= READ_UNITS_MAX;
    if (isLittle && this.#frames.length === 0) this.add(frames);
  }

  /** There are stored frames up to `seq`, and no more after them if the run has ended. */
  reach(seq: number, isEnded: boolean): void {
    if (seq <= this.#head && isEnded === this.#isEnded) return;
    this.#head = Math.max(seq, this.#head);
    this.#isEnded ||= isEnded;
    for (const wake of this.#waiting) wake();
  }

  /** The frames after a number, if they are among those that are kept. */
  after(seq: number): readonly Frame[] {
    const first = this.#frames[0]?.seq;
    return first === undefined || first > seq + 1 ? [] : this.#frames.slice(seq + 1 - first);
  }

  /** Resolves when there is more after a number, at the run's end, or when `signal` says so. */
  more(seq: number, signal: AbortSignal): Promise<void> {
    if (this.#head > seq || this.#isEnded || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#waiting.add(wake);
    });
  }

  #drop(count: number): void {
    if (count === 0) return;
    for (const { text } of this.#frames.slice(0, count)) this.#units -= text.length;
    this.#frames = this.#frames.slice(count);
  }
}
