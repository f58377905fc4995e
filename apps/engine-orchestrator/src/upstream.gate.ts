import { metrics } from '@nightshift/runtime';
import { FairQueue } from '@nightshift/std';
import { Breaker, type Verdict } from './breaker.ts';
import type { UpstreamSettings } from './catalogue.ts';
import { RateWindow } from './rate-window.ts';

/** A place at an upstream, for one request. */
export interface Place {
  readonly upstream: string;
  /** Gives it back, once: what the request told of the server, and the tokens it took if that is known; 0 when it was never made. */
  leave(verdict: Verdict, tokens?: number): void;
}

/** Why there is no place, and how long it may take; 0 when nobody knows. */
export interface NoPlace {
  readonly reason: 'open' | 'limited';
  readonly waitMs: number;
}

/** Someone who waits for a place, perhaps at several upstreams; whoever has one first gives it to them. */
export interface Waiter {
  readonly lane: string;
  /** Tokens that the request will take, estimated. */
  readonly tokens: number;
  isWaiting: boolean;
  readonly enter: (place: Place) => void;
}

type GateSettings = Pick<UpstreamSettings, 'concurrency' | 'requestsPerMinute' | 'tokensPerMinute' | 'breaker'>;

const TIMER_MS_MIN = 5;
/** After so long without a request nothing is known of an upstream that was left alone. */
const UNKNOWN_AFTER_MS = 60_000;

/** Who may send a request to one upstream now: its breaker, its limits, and those that wait. Limits hold per process. */
export class Gate {
  readonly #name: string;
  readonly #concurrency: number;
  readonly #breaker: Breaker;
  readonly #requests: RateWindow | undefined;
  readonly #tokens: RateWindow | undefined;
  readonly #now: () => number;
  readonly #queue = new FairQueue<Waiter>();
  #inFlight = 0;
  #timer: NodeJS.Timeout | undefined;
  #forgetting: NodeJS.Timeout | undefined;

  constructor(name: string, settings: GateSettings, now: () => number = () => performance.now()) {
    this.#name = name;
    this.#concurrency = settings.concurrency;
    this.#breaker = new Breaker(settings.breaker);
    this.#requests = settings.requestsPerMinute === undefined ? undefined : new RateWindow(settings.requestsPerMinute);
    this.#tokens = settings.tokensPerMinute === undefined ? undefined : new RateWindow(settings.tokensPerMinute);
    this.#now = now;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** A place for a request of about so many tokens, unless others wait for one already. */
  enter(tokens: number): Place | NoPlace {
    this.#pump();
    return this.#enter(tokens, this.#queue.size > 0);
  }

  /** Queues for the next place, lanes in turn. */
  wait(waiter: Waiter): void {
    this.#queue.add(waiter.lane, waiter);
    this.#pump();
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#forgetting);
  }

  #enter(tokens: number, isBehind: boolean): Place | NoPlace {
    const now = this.#now();
    const openMs = this.#breaker.waitMs(now);
    // What comes of the one that tries may take as long as a turn does: nobody fails meanwhile.
    if (openMs > 0) return { reason: this.#breaker.isTrying ? 'limited' : 'open', waitMs: openMs };
    if (isBehind || this.#inFlight >= this.#concurrency) return { reason: 'limited', waitMs: 0 };
    const waitMs = Math.max(this.#requests?.waitMs(1, now) ?? 0, this.#tokens?.waitMs(tokens, now) ?? 0);
    return waitMs > 0 ? { reason: 'limited', waitMs } : this.#place(tokens, now);
  }

  #place(tokens: number, now: number): Place {
    this.#inFlight += 1;
    const forgo = this.#requests?.take(1, now);
    const correct = this.#tokens?.take(tokens, now);
    const tell = this.#breaker.pass();
    let isLeft = false;
    return {
      upstream: this.#name,
      leave: (verdict, used) => {
        if (isLeft) return;
        isLeft = true;
        this.#inFlight -= 1;
        if (used !== undefined) correct?.(used);
        if (used === 0) forgo?.(0);
        tell(verdict, this.#now());
        if (verdict !== 'unknown') this.#measure(this.#breaker.isOpen);
        this.#pump();
      },
    };
  }

  /** An idle process does not hear that an upstream is back. */
  #measure(isOpen: boolean): void {
    metrics.upstreamOpen.set({ upstream: this.#name }, isOpen ? 1 : 0);
    clearTimeout(this.#forgetting);
    if (isOpen) this.#forgetting = setTimeout(() => this.#measure(this.#breaker.isTrying), UNKNOWN_AFTER_MS).unref();
  }

  /** Gives places to those that wait, for as long as there are any. */
  #pump(): void {
    for (let next = this.#queue.peek(); next; next = this.#queue.peek()) {
      if (next.isWaiting) {
        const place = this.#enter(next.tokens, false);
        if ('reason' in place) return this.#pumpLater(place.waitMs);
        next.isWaiting = false;
        this.#queue.take();
        next.enter(place);
      } else this.#queue.take();
    }
  }

  /** A place that someone leaves pumps by itself. */
  #pumpLater(waitMs: number): void {
    clearTimeout(this.#timer);
    if (waitMs > 0) this.#timer = setTimeout(() => this.#pump(), Math.max(TIMER_MS_MIN, waitMs)).unref();
  }
}
