import { pipeline, Readable, Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import { EgressError, isConnectFailure, toEgressError } from './egress-error.ts';
import { decoderOf, type Exchange, NotConnected } from './egress-exchange.ts';

/** An answer whose body is still on its way. */
export interface StreamedResponse {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  /** Has to be read or destroyed. It fails with EgressError: `connection_reset` beyond its bound, and what `request` knows. */
  readonly body: Readable;
}

interface StreamOptions {
  readonly host: string;
  readonly bytesMax: number;
  /** Called when there is a connection for the request. */
  readonly onStart: () => void;
}

/** Sends one request and answers as soon as the head is there; the body is read at the pace of its reader, decoded, up to `bytesMax`. */
export function openExchange(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions, { host, bytesMax, onStart }: StreamOptions): Exchange<StreamedResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<StreamedResponse>();
  let controller: Dispatcher.DispatchController | null = null;
  let ended: Error | null = null;

  function end(reason: Error): void {
    ended ??= reason;
    if (controller !== null && !controller.aborted) controller.abort(ended);
  }

  const raw = new Readable({
    read: () => controller?.resume(),
    destroy(err, done) {
      end(err ?? new Error('nobody reads the body'));
      done(err);
    },
  });

  // What ends before the head is there is told by the promise alone.
  raw.on('error', () => undefined);

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      onStart();
      if (ended !== null) started.abort(ended);
    },
    onResponseStart(_controller, status, received) {
      if (status < 200) return;
      const headers = received as Record<string, string | string[]>;
      resolve({ status, headers, body: bounded(raw, decoderOf({ headers }), host, bytesMax) });
    },
    onResponseData(started, chunk) {
      if (!raw.push(chunk)) started.pause();
    },
    onResponseEnd() {
      raw.push(null);
    },
    onResponseError(_controller, error) {
      reject(controller === null && isConnectFailure(error) ? new NotConnected('no connection', { cause: error }) : error);
      raw.destroy(toEgressError(ended ?? error, host));
    },
  };
  dispatcher.dispatch(options, handler);

  return {
    response: promise,
    abort(reason) {
      reject(reason);
      raw.destroy(reason);
    },
  };
}

function bounded(raw: Readable, decoder: Transform | undefined, host: string, bytesMax: number): Readable {
  let size = 0;
  const bound = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > bytesMax) done(new EgressError('connection_reset', `${host} answered with more than ${bytesMax} bytes`));
      else done(null, chunk);
    },
  });
  // The reader hears of a failure through the last stream; the others are destroyed with it.
  return decoder === undefined ? pipeline(raw, bound, () => undefined) : pipeline(raw, decoder, bound, () => undefined);
}
