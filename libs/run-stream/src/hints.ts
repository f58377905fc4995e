import type { CheckResult } from '@nightshift/runtime';

/** Tells processes that something may be worth looking at. A hint may be lost: it saves waiting, and carries no truth. */
export interface Hints {
  /** Tells everybody who listens to `channel`; never rejects. */
  send(channel: string, text: string): void;
  /** Calls `heard` for what is sent to `channel` from about now on; the function that it returns ends that. */
  listen(channel: string, heard: (text: string) => void): () => void;
  /** Resolves when what was listened to so far is heard, or will not be for a while. */
  listening(): Promise<void>;
  /** Calls `lost` whenever hints may have been missed. */
  onGap(lost: () => void): void;
  health(): CheckResult[];
  close(): Promise<void>;
}

/** Channel on which a worker hears that rows of its kind wait in a pool. */
export function workChannel(work: string, pool: string): string {
  return `nightshift.work.${work}.${pool}`;
}
