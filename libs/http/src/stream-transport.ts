import { AppError } from '@nightshift/contracts';
import { Client, type Dispatcher, Pool } from 'undici';
import type { StreamedAnswer } from './streamed-answer.ts';

/** A POST to another service whose answer may come in pieces. */
export interface StreamedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How such a request reaches the other service. Resolves once the answer has begun; an abort gives it up at any time. */
export type StreamTransport = (request: StreamedRequest, signal: AbortSignal) => Promise<StreamedAnswer>;

/** A route for callers that need no HTTP to get there; it checks its body as over HTTP. */
export type StreamRoute = (request: { readonly body: unknown; readonly traceparent: string }, signal: AbortSignal) => Promise<StreamedAnswer>;

/** The header by which a process that goes marks that it refuses a request: another one takes it. A 503 without it is an answer. */
export const DRAINING = 'x-draining';

const CONNECTIONS = 1024;
const CONNECT_TIMEOUT_MS = 2000;
/** Services send a comment every 15 s into a stream that is silent. */
const SILENCE_MS = 60_000;
const RETRY_FOR_MS = 3000;
const RETRY_EVERY_MS = 100;
/** How many processes that go are asked at least: behind one address there may be several. */
const DRAINING_ASKED = 3;
/** What of an answer's headers is for whoever asked. */
const HEADERS = ['content-type', 'cache-control', 'x-accel-buffering', 'retry-after', 'retry-after-ms', 'x-should-retry'];

/**
 * HTTP to any of `baseUrls` in turn, the next at once when one is away. One that cannot be reached, or goes before its answer has begun, is tried again for up
 * to 3 s: so every route of this kind has to bear being asked twice. One that goes is left for the next address, over a new connection, since an open one may
 * lead to the same process; when all go, their refusal is the answer. How long an answer may take to begin is up to the service.
 */
export function httpStreams(baseUrls: readonly string[]): { streams: StreamTransport; close: () => Promise<void> } {
  const options = { connect: { timeout: CONNECT_TIMEOUT_MS }, headersTimeout: 0, bodyTimeout: SILENCE_MS };
  const pools = baseUrls.map((url) => new Pool(url, { ...options, connections: CONNECTIONS }));
  const drainingMax = Math.max(pools.length, DRAINING_ASKED);
  const askAnew = (at: number, request: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> => {
    const client = new Client(baseUrls[at] as string, options);
    const answer = client.request(request);
    // Once its one request is over.
    void client.close();
    return answer;
  };
  let next = 0;
  const streams: StreamTransport = async ({ path, headers, body }, signal) => {
    const until = Date.now() + RETRY_FOR_MS;
    const first = next++;
    let draining = 0;
    for (let tried = 1; ; tried += 1) {
      const at = (first + tried - 1) % pools.length;
      const request: Dispatcher.RequestOptions = { method: 'POST', path, headers, body, signal };
      try {
        const answer = await (draining === 0 ? (pools[at] as Pool).request(request) : askAnew(at, request));
        if (answer.headers[DRAINING] === undefined || ++draining === drainingMax || Date.now() > until) return await answerOf(answer);
        await answer.body.dump();
      } catch (err) {
        if (signal.aborted) throw err;
        if (Date.now() > until) throw new AppError('service_unavailable', { cause: err, headers: { 'retry-after': '1' } });
      }
      if (tried % pools.length === 0) await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
    }
  };
  return { streams, close: async () => void (await Promise.all(pools.map((pool) => pool.close()))) };
}

async function answerOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<StreamedAnswer> {
  const kept = HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]]));
  const isStream = String(headers['content-type']).includes('event-stream');
  return { status: statusCode, headers: Object.fromEntries(kept) as Record<string, string>, body: isStream ? body.setEncoding('utf8') : await body.text() };
}
