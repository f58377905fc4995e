import { EventEmitter } from 'node:events';
import type { CheckResult } from '@nightshift/runtime';
import type { Hints } from './hints.ts';

/** Hints within one thread. */
export class InProcessHints implements Hints {
  readonly #emitter = new EventEmitter({ captureRejections: false }).setMaxListeners(0);

  send(channel: string, text: string): void {
    queueMicrotask(() => this.#emitter.emit(channel, text));
  }

  listen(channel: string, heard: (text: string) => void): () => void {
    this.#emitter.on(channel, heard);
    return () => void this.#emitter.off(channel, heard);
  }

  /** Whether anybody listens. */
  isHeard(channel: string): boolean {
    return this.#emitter.listenerCount(channel) > 0;
  }

  listening(): Promise<void> {
    return Promise.resolve();
  }

  onGap(): void {}

  health(): CheckResult[] {
    return [];
  }

  close(): Promise<void> {
    this.#emitter.removeAllListeners();
    return Promise.resolve();
  }
}
