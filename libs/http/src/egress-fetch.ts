import type { Egress } from './egress.ts';

/** What bounds each request that is made through a `fetch`. */
export interface FetchBounds {
  /** From the first DNS question to the last byte. */
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /** CIDRs that may be reached besides the process's own. */
  readonly allow?: readonly string[] | undefined;
}

/** As much of `fetch` as HTTP client libraries use: bodies are texts, and `signal` ends the request at any time. */
export type EgressFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

const bodiless = new Set([204, 205, 304]);

/**
 * A `fetch` for libraries whose requests have to go through the egress. It follows no redirect, whatever `redirect` says:
 * one is an answer, and who follows it comes back through here. Rejects with EgressError, and so does the body.
 */
export function createFetch(egress: Egress, { timeoutMs, responseBytesMax, allow }: FetchBounds): EgressFetch {
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
    });
    const isBodiless = bodiless.has(answer.status);
    if (isBodiless) answer.body.destroy();
    const received = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one]));
    try {
      return new Response(isBodiless ? null : ReadableStream.from<Buffer>(answer.body), { status: answer.status, headers: received.filter(([name]) => name !== 'content-encoding') });
    } catch (err) {
      // Such as a status that there is not.
      answer.body.destroy();
      throw err;
    }
  };
}
