import { LRUCache } from 'lru-cache';
import type { JournalEntry, Session, SessionEnd } from './session.ts';

/** A session that waits for tool results, as it was committed: what is journaled never changes, so only the results are new to whoever knows the rest. */
export type KnownSession = Pick<Session, 'step' | 'request'> & { readonly journal: readonly JournalEntry[] };

/** About how many UTF-16 units of waiting sessions, and of ended ones, are kept. */
const WAITING_UNITS_MAX = 32 * 1024 * 1024;
const ENDED_UNITS_MAX = 4 * 1024 * 1024;

/** What a process remembers of the sessions that it has committed itself, so as not to read it again. Whatever is not known is read. */
export class KnownSessions {
  readonly #waiting = new LRUCache<string, KnownSession>({ maxSize: WAITING_UNITS_MAX, sizeCalculation: unitsOf });
  readonly #ended = new LRUCache<string, SessionEnd>({ maxSize: ENDED_UNITS_MAX, sizeCalculation: unitsOf });

  /** A session was committed and waits for results of its turn. */
  wait(runId: string, session: KnownSession): void {
    this.#waiting.set(runId, session);
  }

  /** A session that waits for results of the turn `step`, if it has not moved on elsewhere. */
  waiting(runId: string, step: number): KnownSession | undefined {
    const known = this.#waiting.get(runId);
    return known?.step === step + 1 ? known : undefined;
  }

  /** A session that waits no more. */
  leave(runId: string): void {
    this.#waiting.delete(runId);
  }

  /** A session was committed with its outcome. */
  end(session: SessionEnd): void {
    this.#ended.set(session.runId, session);
  }

  ended(runId: string): SessionEnd | undefined {
    return this.#ended.get(runId);
  }
}

/** About how much memory a value takes. */
function unitsOf(value: unknown): number {
  if (typeof value === 'string') return value.length + 1;
  if (typeof value !== 'object' || value === null) return 8;
  return Object.values(value).reduce<number>((sum, inner) => sum + unitsOf(inner), 16);
}
