import type { LanguageModelV4, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { Agent, fetch as undiciFetch } from 'undici';
import { callOptionsOf } from './anthropic.request.ts';
import { answeredWith, canceled, ModelError, reportedError, retryAfterMs, transportError } from './model-error.ts';
import { CONNECT_TIMEOUT_MS, END_GRACE_MS, ERROR_BODY_BYTES_MAX, type ModelClient, type ModelClientOptions } from './model.client.ts';
import type { ModelReply, ModelRequest } from './model.ts';
import { cutReply, invalidReply, ReplyDraft } from './reply-draft.ts';

/** All events of one reply: its text may have 2 MiB, and an event carries a few characters of it. */
const STREAM_BYTES_MAX = 64 * 1024 * 1024;
const FINISH_REASONS: Readonly<Record<string, string>> = { 'content-filter': 'content_filter', length: 'length' };

type Fetch = typeof globalThis.fetch;
type Part = LanguageModelV4StreamPart;

/** A client of one Anthropic-compatible upstream: the AI SDK's language model, on our connections and with our bounds. */
export function createAnthropicClient(options: ModelClientOptions): ModelClient {
  const agent = new Agent({
    connections: options.connections,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: options.firstByteTimeoutMs,
    bodyTimeout: options.idleTimeoutMs,
  });
  let loading: Promise<(model: string) => LanguageModelV4> | undefined;
  let closing: Promise<void> | undefined;
  // Loaded with the first request: most installations have no such upstream.
  const models = () => (loading ??= import('@ai-sdk/anthropic').then(({ createAnthropic }) => createAnthropic({ baseURL: options.baseUrl.replace(/\/+$/, ''), apiKey: options.apiKey ?? NO_KEY, fetch: boundedFetch(agent) })));

  return {
    async complete(request, { signal, traceparent, onDelta } = {}) {
      if (signal?.aborted) throw canceled();
      const draft = new ReplyDraft(request, onDelta);
      // What throws in between, such as a listener, ends the request as well.
      const stop = new AbortController();
      const abortSignal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
      try {
        const model = (await models())(request.model);
        const failed = (error: unknown): never => {
          throw errorOf(error, options);
        };
        const { stream } = await Promise.resolve(model.doStream({ ...callOptionsOf(request), abortSignal, headers: traceparent ? { traceparent } : {} })).catch(failed);
        const reader = stream.getReader();
        return await readReply({ read: () => reader.read().catch(failed), cancel: () => reader.cancel() }, draft, request, options);
      } catch (error) {
        stop.abort();
        throw signal?.aborted ? canceled() : error;
      }
    },
    close: () => (closing ??= agent.close()),
  };
}

type Reader = Pick<ReadableStreamDefaultReader<Part>, 'read' | 'cancel'>;

async function readReply(reader: Reader, draft: ReplyDraft, request: ModelRequest, { apiKeyName = 'UPSTREAM_API_KEY' }: ModelClientOptions): Promise<ModelReply> {
  let model = request.model;
  let firstCall: { id: string; toolName: string } | undefined;
  for (;;) {
    const { done, value: part } = await reader.read();
    if (done) throw cutReply();
    if (part.type === 'tool-input-start') firstCall ??= part;
    if (part.type === 'tool-input-delta' && part.id === firstCall?.id) draft.announce(firstCall.toolName, part.delta);
    if (part.type === 'response-metadata') model = part.modelId ?? model;
    if (part.type === 'error') throw errorOfEvent(part.error, apiKeyName);
    if (part.type !== 'finish') {
      addPart(draft, part);
      continue;
    }
    if (part.finishReason.unified === 'interrupted') throw cutReply();
    readToEnd(reader);
    const { inputTokens, outputTokens } = part.usage;
    return draft.finish({
      finishReason: FINISH_REASONS[part.finishReason.unified] ?? 'stop',
      // A count that the server leaves out is 0 here; none is.
      inputTokens: inputTokens.total || null,
      outputTokens: outputTokens.total || null,
      cachedInputTokens: inputTokens.cacheRead ?? null,
      model,
    });
  }
}

function addPart(draft: ReplyDraft, part: Part): void {
  if (part.type === 'text-delta') draft.addText('content', part.delta);
  else if (part.type === 'reasoning-delta') draft.addText('reasoning', part.delta);
  else if (part.type === 'tool-call') {
    draft.count(part.toolCallId + part.toolName + part.input);
    Object.assign(draft.addCall(), { id: part.toolCallId, name: part.toolName, arguments: part.input });
  }
}

/** Lets the body end, so that its connection can be used again; not for long. */
function readToEnd(reader: Reader): void {
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), END_GRACE_MS).unref();
  const read = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  void read().catch(() => undefined).finally(() => clearTimeout(timer));
}

const NO_KEY = 'none';

/** Requests of one upstream, redirects not followed and bodies bounded. */
function boundedFetch(dispatcher: Agent): Fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (headers.get('x-api-key') === NO_KEY) headers.delete('x-api-key');
    const response = (await undiciFetch(input as string, { ...init, headers: [...headers], redirect: 'manual', dispatcher } as Parameters<typeof undiciFetch>[1])) as unknown as Response;
    const { status, body } = response;
    const type = response.headers.get('content-type') ?? '';
    if (response.ok && type !== '' && !type.startsWith('text/event-stream')) throw invalidReply(`The model server answered with ${type.slice(0, 60)} in place of a reply; check its address`);
    return new Response(body && bounded(body, response.ok ? STREAM_BYTES_MAX : ERROR_BODY_BYTES_MAX, response.ok), { status, headers: response.headers });
  };
}

/** At most so many bytes; what is more is an error, or left away. */
function bounded(body: ReadableStream<Uint8Array>, bytesMax: number, isError: boolean): ReadableStream<Uint8Array> {
  let left = bytesMax;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        left -= chunk.length;
        if (left >= 0) controller.enqueue(chunk);
        else if (isError) controller.error(invalidReply('The model server sent a reply that is too large'));
        else controller.terminate();
      },
    }),
  );
}

/** An error event in the middle of a reply, or an event that is none. */
function errorOfEvent(error: unknown, apiKeyName: string): ModelError {
  const { statusCode: status, message, type } = error as { statusCode?: number; message?: string; type?: string };
  return type === undefined ? unreadable(error) : reportedError({ status, message, type }, apiKeyName);
}

function unreadable(error: unknown): ModelError {
  return invalidReply('The model server sent something that is not a reply; check that its address is an Anthropic-compatible one', error);
}

/** What a failure of the AI SDK means. */
function errorOf(error: unknown, { apiKey, apiKeyName = 'UPSTREAM_API_KEY' }: ModelClientOptions): ModelError {
  const causes = causesOf(error);
  const known = causes.find((cause): cause is ModelError => cause instanceof ModelError);
  if (known) return known;
  const answer = causes.find((cause): cause is { statusCode: number; responseBody?: string; responseHeaders?: Record<string, string> } => typeof (cause as { statusCode?: unknown }).statusCode === 'number');
  if (answer && answer.statusCode >= 300) {
    const { statusCode: status, responseBody: body = '', responseHeaders = {} } = answer;
    return answeredWith({ status, body, retryAfterMs: retryAfterMs(responseHeaders, Date.now()), ...(apiKey !== undefined && { apiKey }), apiKeyName });
  }
  const transport = causes.find((cause) => typeof (cause as { code?: unknown }).code === 'string' || (cause as Error).name === 'HTTPParserError');
  return transport ? transportError(transport) : unreadable(error);
}

function causesOf(error: unknown): object[] {
  const causes: object[] = [];
  for (let cause = error; typeof cause === 'object' && cause !== null && causes.length < 8; cause = (cause as { cause?: unknown }).cause) causes.push(cause);
  return causes;
}
