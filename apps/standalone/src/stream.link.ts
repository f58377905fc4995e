import { AppError } from '@nightshift/contracts';
import type { StreamedAnswer, StreamedRequest } from '@nightshift/http';
import { Handover } from '@nightshift/std';
import type { ThreadLink } from './thread.link.ts';

/** What is asked of the other thread; its answer's pieces come under `id`. */
interface Ask {
  readonly id: number;
  readonly app: string;
  readonly request: StreamedRequest;
}

/** The beginning of an answer: with the whole body, or without it where its pieces follow. */
interface Begun {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** The next piece of a body, or its end. */
interface Piece {
  readonly id: number;
  readonly text?: string;
  readonly error?: string;
}

/** Characters of one body that may be on the way; then its maker waits until they are taken. */
const WINDOW_CHARS = 256 * 1024;

/** Streamed requests to the other thread: each answer is one message and its pieces as many as there are, no more than `WINDOW_CHARS` ahead of whoever takes them. */
export class StreamCaller {
  readonly #link: ThreadLink;
  readonly #bodies = new Map<number, Handover<string>>();
  #ids = 0;

  constructor(link: ThreadLink) {
    this.#link = link;
    link.serve<Piece>('stream.piece', ({ id, text, error }) => {
      const body = this.#bodies.get(id);
      if (text !== undefined) return body?.push([text]);
      this.#bodies.delete(id);
      body?.end(error === undefined ? undefined : new Error(error));
    });
    link.onFail((err) => this.#bodies.forEach((body) => body.end(err)));
  }

  /** Asks an app of the other thread; an abort gives the request up. */
  async call(app: string, request: StreamedRequest, signal: AbortSignal): Promise<StreamedAnswer> {
    const id = (this.#ids += 1);
    const pieces = new Handover<string>();
    this.#bodies.set(id, pieces);
    const leave = (): void => this.#link.tell('stream.leave', id);
    signal.addEventListener('abort', leave, { once: true });
    const over = (): void => {
      signal.removeEventListener('abort', leave);
      this.#bodies.delete(id);
    };
    try {
      const { body, ...begun } = await this.#link.call<Begun>('stream.ask', { id, app, request } satisfies Ask);
      if (body === undefined) return { ...begun, body: this.#taken(id, pieces, over) };
      over();
      return { ...begun, body };
    } catch (err) {
      over();
      throw err;
    }
  }

  async *#taken(id: number, pieces: Handover<string>, over: () => void): AsyncGenerator<string> {
    try {
      for await (const texts of pieces) {
        const text = texts.join('');
        yield text;
        this.#link.tell('stream.taken', { id, chars: text.length });
      }
    } finally {
      if (this.#bodies.has(id)) this.#link.tell('stream.leave', id);
      over();
    }
  }
}

interface Sending {
  readonly left: AbortController;
  /** Characters that are on the way. */
  chars: number;
  /** Somebody waits for them to be taken. */
  onTaken: () => void;
}

/** Answers the other thread's streamed requests by `route`. */
export function serveStreams(link: ThreadLink, route: (app: string, request: StreamedRequest, signal: AbortSignal) => Promise<StreamedAnswer>): void {
  const open = new Map<number, Sending>();
  link.serve<number>('stream.leave', (id) => open.get(id)?.left.abort());
  link.serve<{ id: number; chars: number }>('stream.taken', ({ id, chars }) => {
    const sending = open.get(id);
    if (!sending) return;
    sending.chars -= chars;
    sending.onTaken();
  });
  link.serve<Ask>('stream.ask', async ({ id, app, request }): Promise<Begun> => {
    const sending: Sending = { left: new AbortController(), chars: 0, onTaken: () => undefined };
    open.set(id, sending);
    try {
      const { body, ...begun } = await route(app, request, sending.left.signal);
      if (typeof body === 'string') {
        open.delete(id);
        return { ...begun, body };
      }
      void send(id, body, sending);
      return { ...begun, body: undefined };
    } catch (err) {
      open.delete(id);
      // Errors lose their class on the way.
      if (err instanceof AppError) return { status: err.status, headers: { 'content-type': 'application/json', ...err.headers }, body: JSON.stringify({ error: { code: err.code, message: err.message, type: err.code, param: null } }) };
      throw err;
    }
  });

  async function send(id: number, body: AsyncIterable<string>, sending: Sending): Promise<void> {
    let error: string | undefined;
    try {
      for await (const text of body) {
        if (sending.left.signal.aborted) break;
        link.tell('stream.piece', { id, text } satisfies Piece);
        sending.chars += text.length;
        if (sending.chars > WINDOW_CHARS) await taken(sending);
      }
    } catch (err) {
      error = err instanceof Error ? err.message : String(err);
    }
    open.delete(id);
    link.tell('stream.piece', { id, ...(error !== undefined && { error }) } satisfies Piece);
  }
}

/** Until there is room again, or nobody takes any more. */
function taken(sending: Sending): Promise<void> {
  const { signal } = sending.left;
  return new Promise((resolve) => {
    const look = (): void => {
      if (sending.chars > WINDOW_CHARS && !signal.aborted) return;
      sending.onTaken = () => undefined;
      signal.removeEventListener('abort', look);
      resolve();
    };
    sending.onTaken = look;
    signal.addEventListener('abort', look, { once: true });
    look();
  });
}
