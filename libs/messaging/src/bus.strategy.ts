import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { AppError, poolOfTopic, type Topic, topicName, topicOf, TOPICS } from '@nightshift/contracts';
import { isInfrastructure } from '@nightshift/postgres';
import { type Logger, metrics, type ReadinessChecks, traceIdOf } from '@nightshift/runtime';
import { lastValueFrom } from 'rxjs';
import type { Bus, Subscribed } from './bus.ts';
import type { DeadLetterStore } from './dead-letter.store.ts';
import { processTraced } from './bus-spans.ts';
import { deliver, type Handle } from './deliver.ts';
import { HEADERS, type RawMessage } from './message.ts';

/** What a service's consumers need. */
export interface BusStrategyOptions {
  readonly bus: Bus;
  readonly service: string;
  readonly pool: string;
  readonly gatherMs?: number | undefined;
  readonly deadLetters: () => DeadLetterStore;
  readonly readiness: ReadinessChecks;
  readonly log: Logger;
  /** Called when messages may have passed unseen. */
  readonly onGap?: () => void;
}

/** Nest's side of the bus: gives each topic's batches to the method marked with `Consumes`. */
export class BusStrategy extends Server implements CustomTransportStrategy {
  readonly #options: BusStrategyOptions;
  #subscribed: Subscribed | undefined;
  #trouble: string | undefined;

  constructor(options: BusStrategyOptions) {
    super();
    this.#options = options;
    options.readiness.add(() => (this.#subscribed?.assigned() ? [] : [{ state: 'unready', reason: 'consumers are not assigned yet' }]));
    options.readiness.add(() => (this.#trouble === undefined ? [] : [{ state: 'degraded', missing: this.#trouble }]));
  }

  async listen(callback: (err?: unknown) => void): Promise<void> {
    try {
      this.#subscribed = await this.#subscribe();
      callback();
    } catch (err) {
      callback(err);
    }
  }

  #subscribe(): Promise<Subscribed> {
    const { bus, service, pool, gatherMs, onGap } = this.#options;
    const topics = [...this.messageHandlers.keys()] as Topic[];
    const handlers = new Map(topics.map((topic) => [topicName(topic, pool), this.#handlerOf(topic)]));
    return bus.subscribe({
      group: pool === 'shared' ? service : `${service}.${pool}`,
      topics: [...handlers.keys()],
      gatherMs,
      onGap: () => onGap?.(),
      deliver: (batch, signal) => this.#deliver(batch, handlers, signal),
    });
  }

  async #deliver(batch: readonly RawMessage[], handlers: ReadonlyMap<string, Handle>, signal: AbortSignal): Promise<void> {
    const { deadLetters, service, log } = this.#options;
    const topic = batch[0]?.topic ?? '';
    const handle = handlers.get(topic) ?? (() => Promise.reject(new Error(`no consumer for ${topic}`)));
    const startedAt = performance.now();
    const traced = processTraced(batch, service);
    await deliver(traced.messages, {
      handle,
      isInfrastructure: (err) => isInfrastructure(err) || (err instanceof AppError && err.code === 'service_unavailable'),
      deadLetter: async (letter) => {
        await deadLetters().add(letter);
        metrics.deadLetters.inc({ service, topic });
        traced.fail(letter.message);
        log.error({ topic, eventId: letter.message.id, attempts: letter.attempts, traceId: traceIdIn(letter.message), errorCode: 'dead_letter' }, 'message became a dead letter');
      },
      onPause: (err) => this.#notePause(topic, err),
    }, signal).then(() => traced.end(), (err: unknown) => {
      traced.end(err);
      throw err;
    });
    log.debug({ topic, messages: batch.length, durationMs: Math.round(performance.now() - startedAt) }, 'batch');
  }

  #notePause(topic: string, err: unknown): void {
    const trouble = err === undefined ? undefined : err instanceof AppError ? 'another service' : isInfrastructure(err) ? 'postgres' : 'a newer release';
    if ((trouble === undefined) !== (this.#trouble === undefined)) {
      this.#options.log.warn({ topic, err, paused: trouble !== undefined }, trouble ? 'consumer waits for its infrastructure' : 'consumer goes on');
      metrics.consumerPaused.set({ service: this.#options.service }, trouble ? 1 : 0);
    }
    this.#trouble = trouble;
  }

  /** The pool whose processes have to handle a message of that name, where those are not this one's. */
  elsewhere(name: string): string | undefined {
    const topic = topicOf(name);
    const isForeign = topic !== undefined && this.messageHandlers.has(topic) && name !== topicName(topic, this.#options.pool);
    return isForeign ? poolOfTopic(name) : undefined;
  }

  /** Handles one message again, outside the bus: for a dead letter that is redriven. Rejects as the handler does. */
  async redrive(message: RawMessage): Promise<void> {
    const topic = topicOf(message.topic);
    if (topic === undefined || !this.messageHandlers.has(topic)) throw new Error(`no consumer for ${message.topic}`);
    let failure: string | undefined;
    await deliver([message], {
      handle: this.#handlerOf(topic),
      isInfrastructure: () => false,
      onPause: () => undefined,
      deadLetter: (letter) => {
        failure = letter.error;
        return Promise.resolve();
      },
    }, AbortSignal.timeout(30_000));
    if (failure !== undefined) throw new Error(failure);
  }

  #handlerOf(topic: Topic): Handle {
    if (!Object.hasOwn(TOPICS, topic)) throw new Error(`a consumer is marked with a topic that does not exist: ${topic}`);
    const handler = this.messageHandlers.get(topic) as MessageHandler;
    return async (messages) => {
      await lastValueFrom(this.transformToObservable(await handler(messages)), { defaultValue: undefined });
    };
  }

  async close(): Promise<void> {
    await this.#subscribed?.close();
  }

  on(): never {
    throw new Error('the bus has no events of its own');
  }

  unwrap<T>(): T {
    return this.#options.bus as T;
  }
}

function traceIdIn({ headers }: RawMessage): string | undefined {
  const traceparent = headers[HEADERS.traceparent];
  return traceparent === undefined ? undefined : traceIdOf(traceparent);
}
