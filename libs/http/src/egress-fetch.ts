import type { Readable } from 'node:stream';
import type { Egress } from './egress.ts';
import { EgressError } from './egress-error.ts';

/** What bounds each request that is made through a `fetch`. */
export interface FetchBounds {
  /** From the first DNS question to the last byte. */
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /** A body that nobody has begun to read after so long is given up, and its connection with it. Default 10,000. */
  readonly unreadMs?: number;
  /** CIDRs that may be reached besides the process's own. */
  readonly allow?: readonly string[] | undefined;
  /** On whose behalf, as of an EgressRequest. */
  readonly owner?: string | undefined;
}

/** As much of `fetch` as HTTP client libraries use: bodies are texts, and `signal` ends the request at any time. */
export type EgressFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** Those that have no body, and redirects, of whose body nobody needs to know. */
const bodiless = new Set([204, 205, 301, 302, 303, 304, 307, 308]);
const UNREAD_MS = 10_000;

/**
 * A `fetch` for libraries whose requests have to go through the egress. It follows no redirect, whatever `redirect` says:
 * one is an answer, and who follows it comes back through here. Rejects with EgressError, and so does the body.
 */
export function createFetch(egress: Egress, { timeoutMs, responseBytesMax, unreadMs = UNREAD_MS, allow, owner }: FetchBounds): EgressFetch {
  return async (url, init = {}) => {
    const { method = 'GET', headers, body, signal } = init;
    if (body !== undefined && body !== null && typeof body !== 'string') throw new TypeError('only a text can be sent');
    const answer = await egress.stream({
      method: method.toUpperCase(),
      url: String(url),
      headers: Object.fromEntries(new Headers(headers)),
      timeoutMs,
      responseBytesMax,
      ...(typeof body === 'string' && { body }),
      ...(signal && { signal }),
      ...(allow && { allow }),
      ...(owner !== undefined && { owner }),
    });
    const isBodiless = bodiless.has(answer.status);
    if (isBodiless) answer.body.destroy();
    const received = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one]));
    try {
      return new Response(isBodiless ? null : webStream(answer.body, unreadMs), { status: answer.status, headers: received.filter(([name]) => name !== 'content-encoding') });
    } catch (err) {
      // Such as a status that there is not.
      answer.body.destroy();
      throw err;
    }
  };
}

/** A body for whoever reads it, at the reader's pace; one that is canceled, or that nobody reads, is closed. */
function webStream(body: Readable, unreadMs: number): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
  const unread = setTimeout(() => body.destroy(new EgressError('aborted', 'nobody read the answer')), unreadMs).unref();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(unread);
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel() {
        clearTimeout(unread);
        body.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
