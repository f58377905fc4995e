import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** An answer of another service that may come in pieces. */
export interface StreamedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body, or its pieces as they come. Whoever makes them waits while none is taken. */
  readonly body: string | AsyncIterable<string>;
}

/** A signal that is aborted when the client of a request leaves before it has its whole answer. */
export function leaving({ raw }: FastifyReply): AbortSignal {
  const left = new AbortController();
  if (raw.destroyed) left.abort();
  raw.once('close', () => {
    if (!raw.writableFinished) left.abort();
  });
  return left.signal;
}

/** Sends what `answer` gives. A client that leaves first aborts its signal, and what comes of that is nobody's error. */
export async function streamTo(reply: FastifyReply, answer: (signal: AbortSignal) => Promise<StreamedAnswer>): Promise<void> {
  const signal = leaving(reply);
  if (signal.aborted) return;
  let begun: StreamedAnswer;
  try {
    begun = await answer(signal);
  } catch (err) {
    if (signal.aborted) return;
    throw err;
  }
  await sendStreamed(reply, begun);
}

/** Sends an answer on as it comes, and no faster than the client takes it. One that breaks off is broken off for the client too. */
async function sendStreamed(reply: FastifyReply, { status, headers, body }: StreamedAnswer): Promise<void> {
  reply.status(status).headers(headers);
  if (typeof body === 'string') return void reply.send(body);
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(status, reply.getHeaders() as Record<string, string>);
  try {
    for await (const piece of body) {
      if (raw.destroyed) return;
      if (!raw.write(piece)) await drained(raw);
    }
    raw.end();
  } catch {
    // What was said before is still sent.
    raw.socket?.destroySoon();
  }
}

/** Until more can be written, or nothing any more. */
function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.on('drain', done).on('close', done);
  });
}
