import { AppError, type ChatRequest, type InternalChat } from '@nightshift/contracts';
import type { InternalClient, StreamedAnswer } from '@nightshift/http';
import { timeOrderedHex } from '@nightshift/std';
import type { Caller } from './api-key.ts';

const GOING = new AppError('service_unavailable', { message: 'The server is about to restart; send the request again.', headers: { 'retry-after': '1' } });
const EVENT_END = '\n\n';
/** What a stream ends with when the server has to go before it. */
const GOING_EVENTS = `data: ${JSON.stringify({ error: { code: GOING.code, message: GOING.message, type: GOING.code, param: null } })}\n\ndata: [DONE]\n\n`;

/** How long clients that are told to come again may take to hear it. */
const LEAVE_MS = 1000;

/** Plain model calls, which engine-orchestrator makes. */
export class ChatsClient {
  readonly #engineOf: (pool: string) => InternalClient;
  /** Of the calls whose answers are not complete. */
  readonly #open = new Set<AbortController>();
  #isGoing = false;
  #onEmpty: () => void = () => undefined;

  /** `engineOf`: the engines of a pool; nobody else makes its calls. */
  constructor(engineOf: (pool: string) => InternalClient) {
    this.#engineOf = engineOf;
  }

  /** Calls a model for the caller; an abort cancels the call where it runs. The answer is as it goes to the client, but for the id of the request in an error. */
  async call(request: ChatRequest, { keyId, orgId, pool, runLimits }: Caller, traceparent: string, signal: AbortSignal): Promise<StreamedAnswer> {
    const body: InternalChat = { callId: `chatcmpl-${timeOrderedHex()}`, orgId, apiKeyId: keyId, pool, limits: runLimits, request };
    const stop = new AbortController();
    this.#open.add(stop);
    // Nobody waits for a call whose client has left.
    const leave = (): void => {
      stop.abort();
      this.#close(stop);
    };
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      const answer = await this.#engineOf(pool).stream({ path: '/internal/chats', body, traceparent }, stop.signal);
      if (typeof answer.body !== 'string') return { ...answer, body: this.#pieces(answer.body, stop) };
      this.#close(stop);
      return answer;
    } catch (err) {
      this.#close(stop);
      throw this.#isGoing ? GOING : err;
    }
  }

  /** Waits for the calls that are open; on `hurry` it ends them, and tells their clients to come again. */
  async drain(hurry: AbortSignal): Promise<void> {
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    const end = (): void => {
      this.#isGoing = true;
      this.#open.forEach((stop) => stop.abort());
      setTimeout(() => this.#onEmpty(), LEAVE_MS).unref();
    };
    hurry.addEventListener('abort', end, { once: true });
    if (hurry.aborted) end();
    if (this.#open.size > 0) await empty;
  }

  async *#pieces(body: AsyncIterable<string>, stop: AbortController): AsyncGenerator<string> {
    let end = EVENT_END;
    try {
      for await (const piece of body) {
        yield piece;
        end = (end + piece.slice(-EVENT_END.length)).slice(-EVENT_END.length);
      }
    } catch (err) {
      if (!this.#isGoing) throw err;
    } finally {
      this.#close(stop);
    }
    if (!this.#isGoing) return;
    // Behind half an event it would be read as part of that: a client has to see that its stream was cut.
    if (end !== EVENT_END) throw GOING;
    yield GOING_EVENTS;
  }

  #close(stop: AbortController): void {
    this.#open.delete(stop);
    if (this.#open.size === 0) this.#onEmpty();
  }
}
