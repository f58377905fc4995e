import type { Frame } from '@nightshift/contracts';
import type { Logger } from '@nightshift/runtime';
import type { FastifyReply } from 'fastify';
import { EventStream } from './event-stream.server.ts';
import type { RunStreams } from './run-streams.client.ts';
import { DONE, renderFrame, type StreamedRun } from './run-wire.ts';

/** What clients are sent besides frames, and how those are written where it is not as on the run's own stream. */
export interface Sending {
  /** Said when the server goes away before the end. */
  readonly atDrain: string;
  readonly headers: Record<string, string>;
  readonly render?: (frame: Frame, run: StreamedRun) => string;
  /** Called when the client leaves before the end. */
  readonly onLeave?: () => Promise<unknown>;
}

/** How long clients that are told to come back may take to hear it. */
const LEAVE_MS = 1000;

/** Sends runs' streams to clients, and ends them when the server has to go. */
export class StreamSender {
  readonly #streams: RunStreams;
  readonly #log: Logger;
  readonly #open = new Map<EventStream, Promise<void>>();
  #isDraining = false;
  /** Frames that several clients are sent are rendered once. */
  readonly #rendered = new WeakMap<Frame, string>();

  constructor(streams: RunStreams, log: Logger) {
    this.#streams = streams;
    this.#log = log;
  }

  /** Begins to send a run from the frame after `after` to its end. */
  send(reply: FastifyReply, run: StreamedRun, after: number, how: Sending): void {
    const client = new EventStream(reply, how.headers);
    if (reply.request.method === 'HEAD') return void client.push(null);
    const sending = this.#send(client, run, after, how).catch((err: unknown) => {
      this.#log.error({ err, runId: run.runId }, 'stream broken');
      client.destroy();
    });
    this.#open.set(client, sending.finally(() => this.#open.delete(client)));
    if (this.#isDraining) client.stop();
  }

  /** Waits for streams to end, until `hurry`; then tells those that are left to come back. */
  async drain(hurry: AbortSignal): Promise<void> {
    const end = (): void => {
      this.#isDraining = true;
      for (const client of this.#open.keys()) client.stop();
      setTimeout(() => this.#open.forEach((_, client) => client.destroy()), LEAVE_MS).unref();
    };
    if (hurry.aborted) end();
    else hurry.addEventListener('abort', end, { once: true });
    while (this.#open.size > 0) await Promise.all(this.#open.values());
  }

  async #send(client: EventStream, run: StreamedRun, after: number, { atDrain, render = (frame) => this.#render(frame, run), onLeave }: Sending): Promise<void> {
    for await (const frames of this.#streams.follow(run.runId, after, client.over, run.pool)) await client.write(frames.map((frame) => render(frame, run)).join(''));
    if (client.destroyed) return void (await (this.#isDraining ? undefined : onLeave?.()));
    await client.write(client.over.aborted ? atDrain : DONE);
    client.push(null);
  }

  #render(frame: Frame, run: StreamedRun): string {
    const known = this.#rendered.get(frame);
    if (known !== undefined) return known;
    const text = renderFrame(frame, run);
    this.#rendered.set(frame, text);
    return text;
  }
}
