import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type CheckResult, type Logger, metrics } from '@nightshift/runtime';
import { Redis } from 'ioredis';
import type { Hints } from './hints.ts';

const RECONNECT_MAX_MS = 1000;
/** A Redis that is silent for so long after it was asked something is taken for lost, and connected to anew. */
const ANSWER_MAX_MS = 3000;
/** How long anybody waits to be heard by a Redis that does not answer. */
const LISTENING_MAX_MS = 250;

/** Hints between processes over Redis publish/subscribe; without Redis work is found a little later by its poll. */
export class RedisHints implements Hints {
  readonly #publisher: Redis;
  readonly #subscriber: Redis;
  readonly #log: Logger;
  readonly #listeners = new Map<string, Set<(text: string) => void>>();
  readonly #lost: (() => void)[] = [];
  #subscribed = Promise.resolve();
  #closing = false;

  constructor(options: { url: string; log: Logger }) {
    this.#log = options.log;
    const settings = { maxRetriesPerRequest: 0, enableOfflineQueue: false, autoResubscribe: false, socketTimeout: ANSWER_MAX_MS, retryStrategy: (times: number) => Math.min(times * 50, RECONNECT_MAX_MS) };
    this.#publisher = new Redis(options.url, settings);
    this.#subscriber = new Redis(options.url, settings);
    for (const client of [this.#publisher, this.#subscriber]) {
      client.on('error', (err: Error) => options.log.debug({ err }, 'redis'));
    }
    this.#subscriber.on('message', (channel: string, text: string) => this.#listeners.get(channel)?.forEach((heard) => heard(text)));
    this.#subscriber.on('close', () => this.#closing || metrics.connectionLosses.inc({ dependency: 'redis' }));
    // Who came and went meanwhile is no matter: what is subscribed to is what is listened to now. What was sent is lost.
    this.#subscriber.on('ready', () => {
      if (this.#listeners.size > 0) this.#subscribed = this.#tell(this.#subscriber.subscribe(...this.#listeners.keys()));
      this.#lost.forEach((lost) => lost());
    });
  }

  get #down(): boolean {
    return this.#publisher.status !== 'ready' || this.#subscriber.status !== 'ready';
  }

  send(channel: string, text: string): void {
    if (this.#down) return;
    this.#publisher.publish(channel, text).catch((err: unknown) => this.#log.debug({ err }, 'hint not sent'));
  }

  listen(channel: string, heard: (text: string) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(heard));
    if (listeners.size === 1 && this.#subscriber.status === 'ready') this.#subscribed = this.#tell(this.#subscriber.subscribe(channel));
    return () => {
      if (!listeners.delete(heard) || listeners.size > 0 || this.#listeners.get(channel) !== listeners) return;
      this.#listeners.delete(channel);
      if (this.#subscriber.status === 'ready') void this.#tell(this.#subscriber.unsubscribe(channel));
    };
  }

  async listening(): Promise<void> {
    if (!this.#down) await Promise.race([this.#subscribed, delay(LISTENING_MAX_MS, undefined, { ref: false })]);
  }

  onGap(lost: () => void): void {
    this.#lost.push(lost);
  }

  health(): CheckResult[] {
    return this.#down ? [{ state: 'degraded', missing: 'redis' }] : [];
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([this.#publisher, this.#subscriber].map(disconnect));
  }

  async #tell(subscription: Promise<unknown>): Promise<void> {
    await subscription.catch((err: unknown) => this.#log.debug({ err }, 'subscription'));
  }
}

/** A connection that is not there has no end to wait for. */
async function disconnect(client: Redis): Promise<void> {
  const ended = client.status === 'ready' ? once(client, 'end') : undefined;
  client.disconnect();
  await ended;
}
