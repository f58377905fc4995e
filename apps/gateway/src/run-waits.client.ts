import { type AnswerEncoding, AppError, isTerminal, type RunView } from '@nightshift/contracts';
import { hearEnds, type Hints } from '@nightshift/run-stream';
import type { Logger } from '@nightshift/runtime';
import type { RunsClient } from './runs.client.ts';

/** Which run is waited for, and for how long. */
export interface Wait {
  readonly runId: string;
  readonly orgId: string;
  readonly encoding?: AnswerEncoding | undefined;
  /** Without it the wait lasts until the run ends. */
  readonly timeoutMs?: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
}

interface Waiter {
  readonly isBrief: boolean;
  wake: () => void;
  /** True when the run is to be answered as it stands. */
  isOver: boolean;
  again?: NodeJS.Timeout;
}

/** How often the owner is asked about all runs that are waited for, in case a hint was lost. */
const CHECK_EVERY_MS = 1000;
const IDS_MAX = 1000;

/** Those who wait here for runs to end. They are woken by hints, and hold no connection to the owner of runs meanwhile. */
export class RunWaits {
  readonly #runs: RunsClient;
  readonly #log: Logger;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;
  #isRefusing = false;
  #onEmpty: () => void = () => undefined;

  constructor(runs: RunsClient, hints: Pick<Hints, 'listen' | 'onGap'>, log: Logger) {
    this.#runs = runs;
    this.#log = log;
    hearEnds(hints, (runIds) => this.#wake(runIds));
    hints.onGap(() => void this.#check());
  }

  /**
   * The run when it has ended, or as it stands when the time is up, the caller has gone or the process stops. While its
   * owner is away it is waited for all the same; `not_found` for a run of another organisation.
   */
  async wait({ runId, orgId, encoding, timeoutMs, gone }: Wait): Promise<RunView> {
    const waiter: Waiter = { isBrief: timeoutMs !== undefined, wake: () => undefined, isOver: false };
    const giveUp = (): void => end(waiter);
    const timer = timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs);
    gone.addEventListener('abort', giveUp, { once: true });
    if (gone.aborted || (waiter.isBrief && this.#isRefusing)) giveUp();
    this.#enter(runId, waiter);
    try {
      for (;;) {
        // From before the look at the run: an end in between is not missed.
        const woken = new Promise<void>((resolve) => (waiter.wake = resolve));
        const run = await this.#look(runId, orgId, encoding, waiter);
        if (run && (isTerminal(run.status) || waiter.isOver)) return run;
        await woken;
      }
    } finally {
      clearTimeout(timer);
      clearTimeout(waiter.again);
      gone.removeEventListener('abort', giveUp);
      this.#leave(runId, waiter);
    }
  }

  /** Ends the waits that have a time limit; new ones are answered at once. */
  refuse(): void {
    this.#isRefusing = true;
    for (const waiter of this.#all()) if (waiter.isBrief) end(waiter);
  }

  /** Lets the others wait on for up to `graceMs`, or until `hurry`. */
  async drain(hurry: AbortSignal, graceMs: number): Promise<void> {
    if (this.#waiters.size === 0) return;
    const endAll = (): void => this.#all().forEach(end);
    const timer = setTimeout(endAll, graceMs);
    if (hurry.aborted) endAll();
    hurry.addEventListener('abort', endAll, { once: true });
    await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    clearTimeout(timer);
  }

  async #look(runId: string, orgId: string, encoding: AnswerEncoding | undefined, waiter: Waiter): Promise<RunView | undefined> {
    try {
      return await this.#runs.get(runId, orgId, encoding);
    } catch (err) {
      if (!(err instanceof AppError) || err.code !== 'service_unavailable' || waiter.isOver) throw err;
      waiter.again = setTimeout(() => waiter.wake(), CHECK_EVERY_MS);
      return undefined;
    }
  }

  #all(): Waiter[] {
    return [...this.#waiters.values()].flatMap((waiters) => [...waiters]);
  }

  #wake(runIds: readonly string[]): void {
    if (this.#waiters.size === 0) return;
    for (const runId of runIds) this.#waiters.get(runId)?.forEach((waiter) => waiter.wake());
  }

  #enter(runId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(runId);
    if (waiters) waiters.add(waiter);
    else this.#waiters.set(runId, new Set([waiter]));
    this.#timer ??= setInterval(() => void this.#check(), CHECK_EVERY_MS);
  }

  #leave(runId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(runId);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(runId);
    if (this.#waiters.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onEmpty();
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const runIds = [...this.#waiters.keys()];
    try {
      while (runIds.length > 0) this.#wake(await this.#runs.ended(runIds.splice(0, IDS_MAX)));
    } catch (err) {
      // The owner is away, or answers what nobody understands; the next check asks again.
      this.#log[err instanceof AppError ? 'debug' : 'warn']({ err }, 'ends of runs could not be asked for');
    } finally {
      this.#isChecking = false;
    }
  }
}

function end(waiter: Waiter): void {
  waiter.isOver = true;
  waiter.wake();
}
