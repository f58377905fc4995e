import { topicName, TOPICS } from '@nightshift/contracts';
import type { CheckResult } from '@nightshift/runtime';
import type { Bus, BusEvent, Subscribed, Subscription } from './bus.ts';
import { HEADERS, type RawMessage } from './message.ts';

interface Waiting {
  readonly message: RawMessage;
  readonly done: () => void;
  readonly fail: (err: Error) => void;
}

const BATCH_MAX = 256;
const PARALLEL_BATCHES = 2;

/** The bus of one process: an event is acknowledged when every consumer of its topic has committed it. */
export class LocalBus implements Bus {
  readonly #subscribers = new Map<string, LocalSubscriber[]>();
  /** By id: an event that is swept up while it is on its way already is not handled twice. */
  readonly #inFlight = new Map<string, Promise<void>>();

  publish(event: BusEvent): Promise<void> {
    const onItsWay = this.#inFlight.get(event.id);
    if (onItsWay) return onItsWay;
    const published = this.#publish(event).finally(() => this.#inFlight.delete(event.id));
    this.#inFlight.set(event.id, published);
    return published;
  }

  async #publish(event: BusEvent): Promise<void> {
    const topic = topicName(event.topic, event.pool);
    const headers: Record<string, string> = { [HEADERS.id]: event.id, [HEADERS.schema]: String(TOPICS[event.topic].version) };
    if (event.traceparent !== undefined) headers[HEADERS.traceparent] = event.traceparent;
    const message: RawMessage = { id: event.id, topic, key: event.key, value: event.payload, headers };
    const subscribers = this.#subscribers.get(topic);
    if (!subscribers) throw new Error(`nobody listens to ${topic} yet`);
    await Promise.all(subscribers.map((subscriber) => subscriber.push(message)));
  }

  subscribe(subscription: Subscription): Promise<Subscribed> {
    const subscribers = subscription.topics.map((topic) => {
      const subscriber = new LocalSubscriber(subscription.deliver);
      this.#subscribers.set(topic, [...(this.#subscribers.get(topic) ?? []), subscriber]);
      return subscriber;
    });
    return Promise.resolve({
      assigned: () => true,
      close: async () => void (await Promise.all(subscribers.map((subscriber) => subscriber.close()))),
    });
  }

  health(): CheckResult[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** One consumer of one topic: whatever has gathered while batches run goes in the next one. */
class LocalSubscriber {
  readonly #deliver: Subscription['deliver'];
  readonly #stop = new AbortController();
  #waiting: Waiting[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor(deliver: Subscription['deliver']) {
    this.#deliver = deliver;
  }

  /** Rejects once the subscriber is closed: the event's outbox row then stays for the next start. */
  push(message: RawMessage): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.reject(new Error('the bus is closing'));
    return new Promise((done, fail) => {
      this.#waiting.push({ message, done, fail });
      if (this.#waiting.length === 1) queueMicrotask(() => this.#next());
    });
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#running.size < PARALLEL_BATCHES && !this.#stop.signal.aborted) {
      const batch = this.#waiting.splice(0, BATCH_MAX);
      const run = this.#deliver(
        batch.map((entry) => entry.message),
        this.#stop.signal,
      ).then(
        () => batch.forEach((entry) => entry.done()),
        (err: unknown) => batch.forEach((entry) => entry.fail(err instanceof Error ? err : new Error(String(err)))),
      );
      const settled = run.finally(() => {
        this.#running.delete(settled);
        this.#next();
      });
      this.#running.add(settled);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const entry of this.#waiting.splice(0)) entry.fail(new Error('the bus is closing'));
    await Promise.all(this.#running);
  }
}
