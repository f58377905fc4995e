import { AppError, type Engine, type InternalChat } from '@nightshift/contracts';
import { DRAINING, type StreamedAnswer, withHeartbeats } from '@nightshift/http';
import type { Target } from './catalogue.ts';
import { type Begun, ChatAttempts } from './chat-attempts.client.ts';
import { chatBody, outputBound, plainTargets, requestTexts, requestTokens } from './chat-body.ts';
import type { ChatUpstream } from './chat.client.ts';
import { errorAnswer, errorChunk } from './chat-error.ts';
import { ChatMeter, type ChatUsage, wireUsage } from './chat-meter.ts';
import { asAnswered, type ChatFacts, ChatRelay } from './chat-relay.ts';
import type { ChatUsageStore } from './chat-usage.store.ts';
import { DONE, eventOf, type Json } from './chat-wire.ts';
import { canceled, ModelError } from './model-error.ts';
import { cutReply } from './reply-draft.ts';
import { costMicroUsd } from './turn.ts';
import type { Upstreams } from './upstreams.client.ts';
import { tokensOf } from './usage.tokenizer.ts';

const WHOLE = { 'content-type': 'application/json; charset=utf-8' };
const STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' };
const STOPPED = new ModelError('unavailable', { code: 'upstream_unavailable', message: 'The server is about to restart; send the request again.' });

/** One call while it is open. */
interface Open {
  readonly call: InternalChat;
  readonly facts: ChatFacts;
  readonly engine: Engine;
  readonly targets: readonly Target[];
  readonly traceparent: string;
  /** Aborted when the client leaves, and when the process cannot wait any longer. */
  readonly stop: AbortController;
  readonly meter: ChatMeter;
  /** What it has used, once it is over. */
  usage?: Promise<ChatUsage>;
}

/** The chunks of a stream of which the first have come. */
interface Chunks {
  readonly first: readonly Json[];
  readonly rest: AsyncIterator<readonly Json[]>;
}

/** Makes plain model calls: the caller's own messages and tools, and one reply, which is passed on as it comes. */
export class Chats {
  readonly #upstreams: Upstreams;
  readonly #attempts: ChatAttempts;
  readonly #usage: ChatUsageStore;
  readonly #open = new Set<Open>();
  #isRefusing = false;
  #onEmpty: () => void = () => undefined;

  /** `waitMs`: how long a call waits for a place at an upstream; 10 s by default. */
  constructor(upstreams: Upstreams, usage: ChatUsageStore, waitMs?: number) {
    this.#upstreams = upstreams;
    this.#attempts = new ChatAttempts(upstreams, waitMs);
    this.#usage = usage;
  }

  /** Answers a call with the model's reply or an error. Until the first byte is there another upstream may be asked; an abort ends the request to it. */
  async answer(call: InternalChat, traceparent: string, signal: AbortSignal): Promise<StreamedAnswer> {
    const { model } = call.request;
    const plain = this.#upstreams.plain(model);
    if (!plain) throw new AppError('model_not_found');
    if (this.#isRefusing) throw new AppError('service_unavailable', { headers: { 'retry-after': '1', [DRAINING]: 'true' } });
    const stop = new AbortController();
    const open: Open = { call, facts: { id: call.callId, model }, engine: plain.engine, targets: plainTargets(this.#upstreams.targets(plain.engine), plain.model), traceparent, stop, meter: new ChatMeter() };
    this.#open.add(open);
    signal.addEventListener('abort', () => stop.abort(), { once: true });
    if (signal.aborted) stop.abort();
    try {
      return call.request.stream ? await this.#stream(open) : await this.#whole(open);
    } catch (err) {
      this.#close(open);
      if (err instanceof ModelError) return errorAnswer(err.kind === 'aborted' ? STOPPED : err);
      throw err;
    }
  }

  /** Takes no more calls, waits for the calls that are open, and ends them on `hurry`; then for their usage to be stored. */
  async drain(hurry: AbortSignal): Promise<void> {
    this.#isRefusing = true;
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    const end = (): void => this.#open.forEach(({ stop }) => stop.abort());
    hurry.addEventListener('abort', end, { once: true });
    if (hurry.aborted) end();
    if (this.#open.size > 0) await empty;
    await this.#usage.stored();
  }

  async #whole(open: Open): Promise<StreamedAnswer> {
    const { facts, meter, stop } = open;
    const begun = await this.#ask(open, (chat, body, traceparent) => chat.complete(body, { signal: stop.signal, traceparent }));
    meter.add(begun.reply);
    const usage = await this.#end(open, begun);
    const told = begun.reply['usage'] ? begun.reply : { ...begun.reply, usage: wireUsage(usage) };
    return { status: 200, headers: WHOLE, body: JSON.stringify(asAnswered(told, facts)) };
  }

  async #stream(open: Open): Promise<StreamedAnswer> {
    const { signal } = open.stop;
    const begun = await this.#ask(open, async (chat, body, traceparent): Promise<Chunks> => {
      const rest = chat.stream(body, { signal, traceparent })[Symbol.asyncIterator]();
      const { done, value } = await rest.next();
      if (done) throw cutReply();
      return { first: value, rest };
    });
    signal.addEventListener('abort', () => void this.#end(open, begun, canceled()), { once: true });
    return { status: 200, headers: STREAM, body: withHeartbeats(this.#events(open, begun)) };
  }

  async *#events(open: Open, begun: Begun<Chunks>): AsyncGenerator<string> {
    const { call, facts, meter, stop } = open;
    const { first, rest } = begun.reply;
    const relay = new ChatRelay(facts, call.request.stream_options?.include_usage === true, meter);
    let failure: ModelError | undefined;
    try {
      try {
        for (let chunks: readonly Json[] | undefined = first; chunks; chunks = await nextOf(rest)) {
          const events = relay.add(chunks);
          if (events !== '') yield events;
        }
      } catch (err) {
        failure = err instanceof ModelError ? err : cutReply(err);
        if (failure.kind === 'aborted') failure = STOPPED;
      }
      const usage = await this.#end(open, begun, failure);
      yield (failure ? eventOf({ ...errorChunk(failure) }) : relay.end(wireUsage(usage))) + DONE;
    } finally {
      // Whoever takes no more has left: that ends what still goes on.
      stop.abort();
    }
  }

  #ask<Reply>({ call, engine, targets, traceparent, stop }: Open, begin: (chat: ChatUpstream, body: Json, traceparent: string) => Promise<Reply>): Promise<Begun<Reply>> {
    const { orgId, request, limits } = call;
    const bound = outputBound(engine, limits);
    const asking = { orgId, tokens: requestTokens(request), signal: stop.signal, traceparent };
    return this.#attempts.ask(targets, asking, (chat, target, trace) => begin(chat, chatBody(request, target, bound), trace));
  }

  /** The end of a call, once: its place is free again, and what it has used is counted. What ended before it had said anything is free. */
  #end(open: Open, begun: Begun<unknown>, err?: ModelError): Promise<ChatUsage> {
    return (open.usage ??= this.#settle(open, begun, err));
  }

  async #settle(open: Open, begun: Begun<unknown>, err: ModelError | undefined): Promise<ChatUsage> {
    const { call, engine, meter, traceparent } = open;
    const usage = await meter.usage(() => requestTexts(call.request), tokensOf);
    const { inputTokens, outputTokens, cachedInputTokens, estimated } = usage;
    begun.over(inputTokens + outputTokens, err);
    if (!err || !meter.isEmpty) {
      const { callId, orgId, apiKeyId, pool, request } = call;
      const cost = costMicroUsd({ inputTokens, outputTokens, cachedInputTokens, toolCalls: {} }, engine);
      this.#usage.record({ callId, orgId, apiKeyId, pool, engine: request.model, inputTokens, outputTokens, cachedInputTokens, costMicroUsd: cost, ...(estimated.length > 0 && { estimated: true }), traceparent });
    }
    this.#close(open);
    return usage;
  }

  #close(open: Open): void {
    this.#open.delete(open);
    if (this.#open.size === 0) this.#onEmpty();
  }
}

async function nextOf(chunks: AsyncIterator<readonly Json[]>): Promise<readonly Json[] | undefined> {
  const { done, value } = await chunks.next();
  return done ? undefined : value;
}
