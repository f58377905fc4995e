import { InProcessHints } from '@nightshift/run-stream';
import type { ThreadLink } from './thread.link.ts';

/** Hints between the two threads: what nobody listens to on the other side does not travel. */
export class LinkedHints extends InProcessHints {
  readonly #link: ThreadLink;
  readonly #heardThere = new Set<string>();
  readonly #heardHere = new Set<string>();

  constructor(link: ThreadLink) {
    super();
    this.#link = link;
    link.serve<{ channel: string; text: string }>('hint', ({ channel, text }) => super.send(channel, text));
    link.serve<{ channel: string; isHeard: boolean }>('listens', ({ channel, isHeard }) => void (isHeard ? this.#heardThere.add(channel) : this.#heardThere.delete(channel)));
    // Whichever side is there first cannot tell the other yet what it listens to.
    link.serve('who listens', () => this.#heardHere.forEach((channel) => this.#tell(channel, true)));
    link.tell('who listens');
  }

  override send(channel: string, text: string): void {
    if (this.isHeard(channel)) super.send(channel, text);
    if (this.#heardThere.has(channel)) this.#link.tell('hint', { channel, text });
  }

  override listen(channel: string, heard: (text: string) => void): () => void {
    if (!this.isHeard(channel)) this.#tell(channel, true);
    const stop = super.listen(channel, heard);
    return () => {
      stop();
      if (!this.isHeard(channel)) this.#tell(channel, false);
    };
  }

  #tell(channel: string, isHeard: boolean): void {
    if (isHeard) this.#heardHere.add(channel);
    else this.#heardHere.delete(channel);
    this.#link.tell('listens', { channel, isHeard });
  }
}
