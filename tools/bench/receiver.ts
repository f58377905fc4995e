import { setTimeout as delay } from 'node:timers/promises';
import type { Helper } from './process.ts';

/** A webhook as it arrived, in milliseconds since the epoch. */
export type Arrival = { readonly path: string; readonly deliveryId: string; readonly runId: string; readonly atMs: number };

type Recorded = { requests: { path: string; deliveryId: string; body: string; atMs: number }[]; next: number };

const POLL_MS = 250;

/** What the receiver has heard since it was last cleared, read bit by bit so that reading it costs little while there is load. */
export class Arrivals {
  readonly #endpoint: Helper;
  readonly #all: Arrival[] = [];
  #next = 0;

  private constructor(endpoint: Helper) {
    this.#endpoint = endpoint;
  }

  /** Clears the receiver's record. */
  static async fresh(endpoint: Helper): Promise<Arrivals> {
    await fetch(`${endpoint.url}/record`, { method: 'DELETE' });
    const arrivals = new Arrivals(endpoint);
    await arrivals.read();
    arrivals.#all.length = 0;
    return arrivals;
  }

  /** All so far. */
  async read(): Promise<readonly Arrival[]> {
    const { requests, next } = (await (await fetch(`${this.#endpoint.url}/record?prefix=/hook/&since=${this.#next}`)).json()) as Recorded;
    this.#next = next;
    for (const { path, deliveryId, body, atMs } of requests) this.#all.push({ path, deliveryId, atMs, runId: /"runId":"([^"]*)"/.exec(body)?.[1] ?? '' });
    return this.#all;
  }

  /** The same, once there are `count` of them or `patienceMs` have passed. */
  async atLeast(count: number, patienceMs: number): Promise<readonly Arrival[]> {
    const endMs = Date.now() + patienceMs;
    while ((await this.read()).length < count && Date.now() < endMs) await delay(POLL_MS);
    return this.#all;
  }
}
