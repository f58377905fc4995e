/** When a breaker opens, and for how long. */
export interface BreakerSettings {
  /** Failures in a row until it opens. */
  readonly failures: number;
  /** How long it stays open the first time; twice as long after each failed try, up to `OPEN_MS_MAX`. */
  readonly openMs: number;
}

/** What a request told of its server; `unknown` when it was aborted, or refused by a server that is well. */
export type Verdict = 'well' | 'failed' | 'unknown';

export const OPEN_MS_MAX = 30_000;
/** How soon a request may ask again while another one tries. */
const TRY_MS = 500;

/**
 * Keeps requests away from a server that fails. Closed: all pass. Open: none do. After its time one request may try:
 * if it succeeds the breaker is closed, if it fails the breaker is open again for longer. Times are milliseconds of any clock.
 */
export class Breaker {
  readonly #settings: BreakerSettings;
  #failures = 0;
  #openings = 0;
  #openUntil = 0;
  #trying: object | undefined;

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
  }

  get isOpen(): boolean {
    return this.#openings > 0;
  }

  /** Whether one request tries right now, whatever comes of it. */
  get isTrying(): boolean {
    return this.#trying !== undefined;
  }

  /** How long until a request may pass; 0: at once. */
  waitMs(now: number): number {
    if (this.#openings === 0) return 0;
    return this.#trying ? Math.max(TRY_MS, this.#openUntil - now) : Math.max(0, this.#openUntil - now);
  }

  /** Lets a request pass, after `waitMs` said 0. Tell what became of it, once. */
  pass(): (verdict: Verdict, now: number) => void {
    const pass = {};
    if (this.#openings > 0) this.#trying = pass;
    return (verdict, now) => {
      const tried = this.#trying === pass;
      if (tried) this.#trying = undefined;
      if (verdict === 'well') this.#close();
      // What began before the breaker opened tells nothing new when it fails as well.
      else if (verdict === 'failed' && (tried || this.#openings === 0)) this.#failed(now);
    };
  }

  #close(): void {
    this.#failures = 0;
    this.#openings = 0;
    this.#trying = undefined;
  }

  #failed(now: number): void {
    this.#failures += 1;
    if (this.#failures < this.#settings.failures) return;
    this.#openUntil = now + Math.min(OPEN_MS_MAX, this.#settings.openMs * 2 ** Math.min(this.#openings, 16));
    this.#openings += 1;
  }
}
