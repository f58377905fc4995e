import { createParser } from 'eventsource-parser';
import { Pool } from 'undici';
import { asJson, asList, chunksOf, type Json } from './chat-wire.ts';
import { type Exchange, exchange, readText } from './exchange.client.ts';
import { answeredWith, reportedError, retryAfterMs } from './model-error.ts';
import { CONNECT_TIMEOUT_MS, ERROR_BODY_BYTES_MAX, type ModelClientOptions } from './model.client.ts';
import { EVENT_CHARS_MAX } from './model.stream.ts';
import { cutReply, invalidReply } from './reply-draft.ts';

/** Who asks, and for how long. */
export interface ChatOptions {
  readonly signal: AbortSignal;
  readonly traceparent: string;
}

/** One upstream, for plain calls: bodies go to it as they are, and what it says comes back whole. Its methods reject with a `ModelError`; an abort ends the request at once. */
export interface ChatUpstream {
  /** The whole completion. */
  complete(body: Json, options: ChatOptions): Promise<Json>;
  /** The chunks of a completion in batches, as they come. */
  stream(body: Json, options: ChatOptions): AsyncIterable<readonly Json[]>;
  close(): Promise<void>;
}

/** Plain calls of one OpenAI-compatible upstream, which the operator configured and which is therefore not behind the egress guard. */
export function createChatClient(options: ModelClientOptions): ChatUpstream {
  const { apiKey, apiKeyName = 'UPSTREAM_API_KEY' } = options;
  const url = new URL(options.baseUrl);
  const path = `${url.pathname.replace(/\/+$/, '')}/chat/completions${url.search}`;
  const pool = new Pool(url.origin, { connections: options.connections, connect: { timeout: CONNECT_TIMEOUT_MS }, headersTimeout: options.firstByteTimeoutMs, bodyTimeout: options.idleTimeoutMs });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'user-agent': 'nightshift', ...(apiKey && { authorization: `Bearer ${apiKey}` }) };
  let closing: Promise<void> | undefined;

  const ask = async (body: Json, { signal, traceparent }: ChatOptions): Promise<Exchange> => {
    const answer = await exchange(pool, { path, headers: { ...headers, traceparent }, body: JSON.stringify(body), signal });
    if (answer.status < 300) return answer;
    const { text } = await readText(answer, ERROR_BODY_BYTES_MAX);
    throw answeredWith({ status: answer.status, body: text, retryAfterMs: retryAfterMs(answer.headers, Date.now()), ...(apiKey !== undefined && { apiKey }), apiKeyName });
  };
  const readWhole = async (answer: Exchange): Promise<Json> => {
    const { text, isWhole } = await readText(answer, EVENT_CHARS_MAX);
    if (!isWhole) throw invalidReply('The model server sent a reply that is too large');
    const body = bodyOf(text, apiKeyName);
    if (!Array.isArray(body['choices'])) throw invalidReply('The model server sent no choices');
    return body;
  };

  return {
    complete: async (body, asking) => readWhole(await ask(body, asking)),
    async *stream(body, asking) {
      const answer = await ask(body, asking);
      const type = String(answer.headers['content-type'] ?? '');
      if (type.includes('json')) return yield chunksOf(await readWhole(answer));
      if (type !== '' && !/^text\/(event-stream|plain)\b/.test(type)) throw invalidReply(`The model server answered with ${type.slice(0, 60)} in place of a reply; check UPSTREAM_BASE_URL`);
      yield* readChunks(answer, apiKeyName);
    },
    close: () => (closing ??= pool.close()),
  };
}

/** The chunks of an event stream. Throws what the upstream reports, and that the stream was cut. */
async function* readChunks(answer: Exchange, apiKeyName: string): AsyncGenerator<readonly Json[]> {
  const decoder = new TextDecoder();
  let chunks: Json[] = [];
  let failure: unknown;
  let isDone = false;
  let isFinished = false;
  const parser = createParser({
    maxBufferSize: EVENT_CHARS_MAX,
    onEvent: ({ data }) => {
      if (isDone || failure !== undefined) return;
      if (data.startsWith('[DONE]')) return void (isDone = true);
      try {
        chunks.push(bodyOf(data, apiKeyName));
      } catch (err) {
        failure = err;
      }
    },
    onError: (err) => {
      if (err.type === 'max-buffer-size-exceeded') failure ??= invalidReply('The model server sent an event that is too large', err);
    },
  });
  try {
    for (let bytes = await answer.next(); bytes && !isDone; bytes = isDone ? null : await answer.next()) {
      for (const chunk of bytes) parser.feed(decoder.decode(chunk, { stream: true }));
      isFinished ||= chunks.some(hasFinished);
      // What came before an error is passed on before it.
      const batch = chunks;
      chunks = [];
      if (batch.length > 0) yield batch;
      if (failure !== undefined) throw failure;
    }
    if (!isDone && !isFinished) throw cutReply();
  } finally {
    answer.leave(isDone);
  }
}

function hasFinished(chunk: Json): boolean {
  return asList(chunk['choices']).some((choice) => typeof asJson(choice)?.['finish_reason'] === 'string');
}

/** A completion or a chunk. Throws the error that it is, or that it is neither. */
function bodyOf(text: string, apiKeyName: string): Json {
  let body: Json | null;
  try {
    body = asJson(JSON.parse(text));
  } catch (err) {
    throw invalidReply('The model server sent something that is not JSON; check that UPSTREAM_BASE_URL is an OpenAI-compatible address', err);
  }
  if (!body) throw invalidReply('The model server sent something that is not an object');
  if (body['error'] !== undefined && body['error'] !== null) throw reportedError(body['error'], apiKeyName);
  return body;
}
