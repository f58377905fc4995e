import type { Backlog } from './backlog.ts';

/** What a worker tells about itself; the caller turns it into metrics and log lines. */
export interface WorkObserver {
  claimed(queueAgeMs: number, attempts: number): void;
  leaseLost(id: string): void;
  backlog(backlog: Backlog): void;
  /** How long it took to claim. */
  asked?(ms: number): void;
  trouble(err: unknown): void;
}
