import type { Frame } from '@nightshift/contracts';
import type { FastifyReply } from 'fastify';
import { EventStream } from './event-stream.server.ts';
import type { RunStreams } from './run-streams.client.ts';
import { DONE, renderFrame, type StreamedRun } from './run-wire.ts';

/** How a stream came to its end: all was sent, its client left, or the server goes away. */
export type StreamEnd = 'done' | 'left' | 'drained';

/** What clients are sent besides frames, and how those are written where it is not as on the run's own stream. */
export interface Sending {
  /** Said when the server goes away before the end. */
  readonly atDrain: string;
  readonly headers: Record<string, string>;
  readonly render?: (frame: Frame, run: StreamedRun) => string;
}

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

  /** Sends a run from the frame after `after` to its end. */
  send(reply: FastifyReply, run: StreamedRun, after: number, how: Sending): Promise<StreamEnd> {
    const sending = this.#send(new EventStream(reply, how.headers), run, after, how);
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

  async #send(client: EventStream, run: StreamedRun, after: number, { atDrain, render = (frame) => this.#render(frame, run) }: Sending): Promise<StreamEnd> {
    const signal = AbortSignal.any([client.left, this.#drain.signal]);
    for await (const frames of this.#streams.follow(run.runId, after, signal)) await client.write(frames.map((frame) => render(frame, run)).join(''));
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
