import type { FastifyReply } from 'fastify';

const PING_EVERY_MS = 10_000;
const PING = ': ping\n\n';

const open = new Set<EventStream>();
let pings: NodeJS.Timeout | undefined;

/** One response of server-sent events: written as fast as its client reads, kept alive, and never compressed. */
export class EventStream {
  readonly #raw: FastifyReply['raw'];
  readonly #left = new AbortController();

  /** Begins the response with the headers that the reply has so far. */
  constructor(reply: FastifyReply, headers: Record<string, string>) {
    this.#raw = reply.raw;
    reply.hijack();
    const given = Object.entries(reply.getHeaders()).filter((header): header is [string, string] => header[1] !== undefined);
    this.#raw.writeHead(200, {
      ...Object.fromEntries(given),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
      ...headers,
    });
    this.#raw.flushHeaders();
    this.#raw.once('close', () => this.#end());
    open.add(this);
    pings ??= setInterval(() => open.forEach((stream) => stream.#ping()), PING_EVERY_MS);
  }

  /** Aborted when the client is gone. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** Writes events; resolves when the client takes more, or is gone. */
  async write(text: string): Promise<void> {
    if (this.#left.signal.aborted || this.#raw.write(text, 'latin1')) return;
    await new Promise<void>((resolve) => {
      const on = (): void => {
        this.#raw.off('drain', on);
        this.#left.signal.removeEventListener('abort', on);
        resolve();
      };
      this.#raw.once('drain', on);
      this.#left.signal.addEventListener('abort', on, { once: true });
    });
  }

  end(): void {
    this.#raw.end();
  }

  #ping(): void {
    if (!this.#raw.writableNeedDrain) this.#raw.write(PING);
  }

  #end(): void {
    open.delete(this);
    this.#left.abort();
    if (open.size > 0) return;
    clearInterval(pings);
    pings = undefined;
  }
}
