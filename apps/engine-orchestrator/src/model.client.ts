import { type Dispatcher, Pool } from 'undici';
import { answeredWith, canceled, type ModelError, retryAfterMs, transportError } from './model-error.ts';
import { type ReplyAssembly, assembleReply } from './model-reply.ts';
import { EVENT_CHARS_MAX, readReplyStream } from './model.stream.ts';
import { type ModelDelta, type ModelReply, type ModelRequest, chatRequestBody } from './model.ts';
import { invalidReply } from './reply-draft.ts';

export interface ModelClientOptions {
  /** Address of an OpenAI-compatible API, up to and without `/chat/completions`; a query is kept. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  /** Where the operator set the key, named when the upstream refuses it; default `UPSTREAM_API_KEY`. */
  readonly apiKeyName?: string;
  /** How long a reply that has begun may be silent. */
  readonly idleTimeoutMs: number;
  /** How long the upstream may take until the reply's headers. */
  readonly firstByteTimeoutMs: number;
  /** Most connections, that is requests in flight; more of them wait their turn. */
  readonly connections: number;
}

export interface CompleteOptions {
  readonly signal?: AbortSignal;
  readonly traceparent?: string | null;
  /** Hears each piece of text as it arrives; what it throws ends the request and is thrown on. */
  readonly onDelta?: (delta: ModelDelta) => void;
}

export interface ModelClient {
  /** One turn of the model, streamed from the upstream; rejects with a `ModelError`. An abort ends the upstream request at once. */
  complete(request: ModelRequest, options?: CompleteOptions): Promise<ModelReply>;
  /** Ends when the requests in flight have. */
  close(): Promise<void>;
}

export const CONNECT_TIMEOUT_MS = 10_000;
export const ERROR_BODY_BYTES_MAX = 64 * 1024;
/** How long the connection may stay open after the last event before it is given up. */
export const END_GRACE_MS = 1_000;

/** A client of one OpenAI-compatible upstream, which the operator configured and which is therefore not behind the egress guard. */
export function createModelClient(options: ModelClientOptions): ModelClient {
  const url = new URL(options.baseUrl);
  const path = `${url.pathname.replace(/\/+$/, '')}/chat/completions${url.search}`;
  const pool = new Pool(url.origin, {
    connections: options.connections,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: options.firstByteTimeoutMs,
    bodyTimeout: options.idleTimeoutMs,
  });
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream, application/json',
    'user-agent': 'nightshift',
    ...(options.apiKey ? { authorization: `Bearer ${options.apiKey}` } : {}),
  };

  let closing: Promise<void> | undefined;

  return {
    complete: (request, { signal, traceparent, onDelta } = {}) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(canceled());
        const assembly = assembleReply(request, { apiKeyName: options.apiKeyName, onDelta });
        const exchange = exchangeHandler(assembly, options, {
          resolve: (reply) => settle(() => resolve(reply)),
          reject: (error) => settle(() => reject(error)),
        });
        const onAbort = (): void => exchange.abort(canceled());
        const settle = (how: () => void): void => {
          signal?.removeEventListener('abort', onAbort);
          how();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        const sent = traceparent ? { ...headers, traceparent } : headers;
        try {
          pool.dispatch({ path, method: 'POST', headers: sent, body: chatRequestBody(request) }, exchange.handler);
        } catch (error) {
          exchange.abort(transportError(error));
        }
      }),
    close: () => (closing ??= pool.close()),
  };
}

interface Outcome {
  resolve(reply: ModelReply): void;
  reject(error: unknown): void;
}

/** One request and its reply. It handles the dispatcher's own callbacks, because a body stream per request costs more than the parsing. */
function exchangeHandler(assembly: ReplyAssembly, options: ModelClientOptions, outcome: Outcome) {
  let controller: Dispatcher.DispatchController | null = null;
  let take: (chunk: Buffer) => void = () => undefined;
  let end: () => void = () => undefined;
  let broken: (error: Error) => ModelError = transportError;
  let isSettled = false;
  let endTimer: NodeJS.Timeout | undefined;

  const abort = (error: unknown): void => {
    if (!isSettled) {
      isSettled = true;
      outcome.reject(error);
    }
    controller?.abort(new Error('the exchange is over', { cause: error }));
  };

  const guarded = (step: () => void): void => {
    if (isSettled) return;
    try {
      step();
    } catch (error) {
      abort(error);
    }
  };

  const finish = (): void => {
    const reply = assembly.finish();
    isSettled = true;
    outcome.resolve(reply);
  };

  const readEvents = (): void => {
    const feed = readReplyStream(assembly);
    take = (chunk) => {
      feed(chunk);
      if (!assembly.isDone) return;
      finish();
      endTimer = setTimeout(() => controller?.abort(new Error('the stream stayed open after its end')), END_GRACE_MS).unref();
    };
    end = finish;
  };

  /** Reads a body that is not a stream and hands it on whole, or what there is of it when it is too long. */
  const readWhole = (bytesMax: number, done: (text: string, isWhole: boolean) => void): void => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    take = (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > bytesMax) done(Buffer.concat(chunks).toString('utf8'), false);
    };
    end = () => done(Buffer.concat(chunks).toString('utf8'), true);
  };

  const readError = (status: number, waitMs: number | null): void => {
    const { apiKey, apiKeyName = 'UPSTREAM_API_KEY' } = options;
    const failure = (body: string): ModelError => answeredWith({ status, body, retryAfterMs: waitMs, apiKey, apiKeyName });
    broken = () => failure('');
    readWhole(ERROR_BODY_BYTES_MAX, (body) => abort(failure(body)));
  };

  const readReply = (): void =>
    readWhole(EVENT_CHARS_MAX, (body, isWhole) => {
      if (!isWhole) throw invalidReply('The model server sent a reply that is too large');
      assembly.add(body);
      assembly.add('[DONE]');
      finish();
    });

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      if (isSettled) started.abort(new Error('aborted before it was sent'));
    },
    onResponseStart(_controller, status, headers) {
      if (status < 200) return;
      guarded(() => {
        if (status >= 300) return readError(status, retryAfterMs(headers, Date.now()));
        const type = String(headers['content-type'] ?? '');
        if (type.includes('json')) return readReply();
        if (type !== '' && !/^text\/(event-stream|plain)\b/.test(type)) {
          throw invalidReply(`The model server answered with ${type.slice(0, 60)} in place of a reply; check UPSTREAM_BASE_URL`);
        }
        readEvents();
      });
    },
    onResponseData: (_controller, chunk) => guarded(() => take(chunk)),
    onResponseEnd() {
      clearTimeout(endTimer);
      guarded(end);
    },
    onResponseError(_controller, error) {
      clearTimeout(endTimer);
      abort(broken(error));
    },
  };
  return { handler, abort };
}
