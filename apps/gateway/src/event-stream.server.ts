import { Readable } from 'node:stream';
import { metrics } from '@nightshift/runtime';
import type { FastifyReply } from 'fastify';

const PING_EVERY_MS = 10_000;
const PING = ': ping\n\n';

const open = new Set<EventStream>();
let pings: NodeJS.Timeout | undefined;

/** One response of server-sent events: written as fast as its client reads, kept alive, and never compressed. */
export class EventStream extends Readable {
  readonly #over = new AbortController();
  #isWanted: (() => void) | undefined;

  /** Begins the response with these headers and those that the reply has so far. */
  constructor(reply: FastifyReply, headers: Record<string, string>) {
    super();
    open.add(this);
    metrics.streamsOpen.set(open.size);
    pings ??= setInterval(() => open.forEach((stream) => stream.#ping()), PING_EVERY_MS);
    void reply.code(200).headers({ ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }).send(this);
    // They do not wait for the first event, unless something else has to be done before they are known.
    if (reply.raw.hasHeader('content-type')) reply.raw.flushHeaders();
  }

  /** Aborted when the client is gone, or by `stop`. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Writes events; resolves when the client takes more, or is gone. */
  write(text: string): Promise<void> {
    if (this.destroyed || this.push(Buffer.from(text, 'latin1'))) return Promise.resolve();
    return new Promise((resolve) => (this.#isWanted = resolve));
  }

  /** Ends what is written to it, which is over. */
  stop(): void {
    this.#over.abort();
  }

  override _read(): void {
    this.#isWanted?.();
    this.#isWanted = undefined;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    open.delete(this);
    metrics.streamsOpen.set(open.size);
    this.#over.abort();
    this._read();
    done(error);
    if (open.size > 0) return;
    clearInterval(pings);
    pings = undefined;
  }

  #ping(): void {
    if (!this.#isWanted) this.push(PING);
  }
}
