import { InProcessHints } from '@nightshift/run-stream';
import type { ThreadLink } from './thread.link.ts';

/** Hints that are heard in both threads. */
export class LinkedHints extends InProcessHints {
  readonly #link: ThreadLink;

  constructor(link: ThreadLink) {
    super();
    this.#link = link;
    link.serve<{ channel: string; text: string }>('hint', ({ channel, text }) => super.send(channel, text));
  }

  override send(channel: string, text: string): void {
    super.send(channel, text);
    this.#link.tell('hint', { channel, text });
  }
}
