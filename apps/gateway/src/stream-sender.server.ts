import type { Frame } from '@nightshift/contracts';
import type { FastifyReply } from 'fastify';
import { EventStream } from './event-stream.server.ts';
import type { RunStreams } from './run-streams.client.ts';
import { DONE, renderFrame, type StreamedRun } from './run-wire.ts';

/** How a stream came to its end: all was sent, its client left, or the server goes away. */
export type StreamEnd = 'done' | 'left' | 'drained';

/** Sends runs' streams to clients, and ends them when the server has to go. */
export class StreamSender {
  readonly #streams: RunStreams;
  readonly #drain = new AbortController();
  readonly #open = new Set<Promise<unknown>>();
  /** Frames that several clients are sent are rendered once. */
  readonly #rendered = new WeakMap<Frame, string>();

  constructor(streams: RunStreams) {
    this.#streams = streams;
  }

  /** Sends a run from the frame after `after` to its end. `atDrain` is said when the server goes away before that. */
  send(reply: FastifyReply, run: StreamedRun, after: number, { atDrain, headers }: { atDrain: string; headers: Record<string, string> }): Promise<StreamEnd> {
    const sending = this.#send(new EventStream(reply, headers), run, after, atDrain);
    this.#open.add(sending);
    return sending.finally(() => this.#open.delete(sending));
  }

  /** Waits for streams to end, until `hurry`; then tells those that are left to come back. */
  async drain(hurry: AbortSignal): Promise<void> {
    const end = (): void => this.#drain.abort();
    if (hurry.aborted) end();
    else hurry.addEventListener('abort', end, { once: true });
    while (this.#open.size > 0) await Promise.allSettled(this.#open);
  }

  async #send(client: EventStream, run: StreamedRun, after: number, atDrain: string): Promise<StreamEnd> {
    const signal = AbortSignal.any([client.left, this.#drain.signal]);
    for await (const frames of this.#streams.follow(run.runId, after, signal)) await client.write(frames.map((frame) => this.#render(frame, run)).join(''));
    if (client.left.aborted) return 'left';
    await client.write(this.#drain.signal.aborted ? atDrain : DONE);
    client.end();
    return this.#drain.signal.aborted ? 'drained' : 'done';
  }

  #render(frame: Frame, run: StreamedRun): string {
    const known = this.#rendered.get(frame);
    if (known !== undefined) return known;
    const text = renderFrame(frame, run);
    this.#rendered.set(frame, text);
    return text;
  }
}
