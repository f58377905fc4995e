import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { isConnectFailure } from './egress-error.ts';

/** One answer as it came, before its body is decoded. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  readonly truncated: boolean;
}

export interface Exchange<T = RawResponse> {
  readonly response: Promise<T>;
  /** Ends the exchange, also one that still waits for a connection; `response` rejects with `reason`. */
  abort(reason: Error): void;
}

/** No connection was made, so another address of the host may be tried without repeating anything; `cause` says why. */
export class NotConnected extends Error {}

/** Sends one request, once there is a connection for it (`onStart`), and reads at most `bytesMax` of its body; then the connection is given up rather than drained. */
export function exchange(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions, bytesMax: number, onStart: () => void): Exchange {
  const { promise, resolve, reject } = Promise.withResolvers<RawResponse>();
  const chunks: Buffer[] = [];
  let controller: Dispatcher.DispatchController | null = null;
  let ended: Error | null = null;
  let size = 0;
  let status = 0;
  let headers: Record<string, string | string[]> = {};

  function end(reason: Error): void {
    ended ??= reason;
    if (controller !== null && !controller.aborted) controller.abort(ended);
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      onStart();
      if (ended !== null) started.abort(ended);
    },
    onResponseStart(_controller, statusCode, received) {
      if (statusCode < 200) return;
      status = statusCode;
      headers = received as Record<string, string | string[]>;
    },
    onResponseData(_controller, chunk) {
      if (size + chunk.length <= bytesMax) {
        chunks.push(chunk);
        size += chunk.length;
        return;
      }
      chunks.push(chunk.subarray(0, bytesMax - size));
      resolve({ status, headers, body: Buffer.concat(chunks), truncated: true });
      end(new Error('the body is longer than what is read of it'));
    },
    onResponseEnd() {
      resolve({ status, headers, body: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size), truncated: false });
    },
    onResponseError(_controller, error) {
      reject(controller === null && isConnectFailure(error) ? new NotConnected('no connection', { cause: error }) : error);
    },
  };
  dispatcher.dispatch(options, handler);

  return {
    response: promise,
    abort(reason) {
      reject(reason);
      end(reason);
    },
  };
}

// A frame of a few bytes may ask for 128 MiB; 8 MiB is what a decoder has to support (RFC 8878, section 3.1.1.1.2).
const ZSTD_WINDOW_LOG_MAX = 23;

const decoders = new Map<string, () => Transform>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
  ['zstd', () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } })],
]);

/** What undoes the content coding of an answer; undefined for none and for an unknown one. */
export function decoderOf({ headers }: Pick<RawResponse, 'headers'>): Transform | undefined {
  const coding = headers['content-encoding'];
  return typeof coding === 'string' ? decoders.get(coding.trim().toLowerCase())?.() : undefined;
}

/**
 * Undoes a content coding that was not asked for, to at most `bytesMax` bytes, so that a small answer cannot unfold into a
 * large one. A body that is cut or broken gives what can be decoded of it; an unknown coding is left as it is.
 */
export async function decodeBody(response: RawResponse, bytesMax: number): Promise<{ body: Buffer; truncated: boolean }> {
  const decoder = decoderOf(response);
  if (decoder === undefined || response.body.length === 0) return response;
  const chunks: Buffer[] = [];
  let size = 0;
  let complete = !response.truncated;
  decoder.end(response.body);
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > bytesMax) break;
    }
  } catch {
    // What the other side sent is its own fault, and the part before the fault is still its answer.
    complete = false;
  }
  const body = Buffer.concat(chunks).subarray(0, bytesMax);
  return { body, truncated: !complete || size > bytesMax };
}
