/** Rows held for less follow each other so closely that there is nothing to spread. */
const LONG_MS = 500;
const STEPS = 16;
/** Less than a sixteenth of the time that rows are held, so that all slots can be used. */
const PAUSES_PER_HOLD = 20;
const PAUSE_MS_MAX = 100;
const RECENT = 16;

/**
 * How a worker takes up what waits for its slots. Rows that begin together end together when they last equally long, and what they
 * cost then (commits, messages, the next claim) delays everybody who shares database, bus or processor with them. So where rows
 * are held for long, a claim takes a sixteenth of the slots, and the next one comes a moment later: never so late that slots
 * stay empty on average.
 */
export class Pace {
  readonly #slots: number;
  #heldMs = 0;
  #fullAtMs = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** A row was held for `ms`. The average goes by the last few, so it follows when other work comes. */
  ended(ms: number): void {
    this.#heldMs += (ms - this.#heldMs) / RECENT;
  }

  /** The most rows that one claim takes. */
  get most(): number {
    return this.#heldMs < LONG_MS ? this.#slots : Math.ceil(this.#slots / STEPS);
  }

  /** Whether what waits is being taken up evenly: the last claim of rows that are held for long had all that it had asked for. */
  get isSpreading(): boolean {
    return this.#heldMs >= LONG_MS && this.#fullAtMs > 0;
  }

  /** A claim was answered at `nowMs`; `isFull`: with all that it had asked for, so that more may wait. */
  claimed(isFull: boolean, nowMs: number): void {
    this.#fullAtMs = isFull ? nowMs : 0;
  }

  /** How long the next claim waits, in milliseconds; 0: it does not. */
  waitMs(nowMs: number): number {
    if (this.#heldMs < LONG_MS) return 0;
    return Math.max(0, this.#fullAtMs + Math.min(PAUSE_MS_MAX, this.#heldMs / PAUSES_PER_HOLD) - nowMs);
  }
}
