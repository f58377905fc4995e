import { randomBytes } from 'node:crypto';
import type { Target } from './load-job.ts';

/** The webhook subscriptions of the benchmark's organisation. */
export class Subscriptions {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Signed ones, of runs that succeed; returns their ids. */
  make(urls: readonly string[]): Promise<string[]> {
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    return Promise.all(urls.map(async (callbackUrl) => (await this.#call<{ id: string }>('POST', 'subscriptions', { callbackUrl, eventTypes: ['job.succeeded'], secret })).id));
  }

  async enable(ids: readonly string[], enabled: boolean): Promise<void> {
    await Promise.all(ids.map((id) => this.#call('PATCH', `subscriptions/${id}`, { enabled })));
  }

  async removeAll(): Promise<void> {
    const { subscriptions } = await this.#call<{ subscriptions: { id: string }[] }>('GET', 'subscriptions');
    await Promise.all(subscriptions.map(({ id }) => this.#call('DELETE', `subscriptions/${id}`)));
  }

  /** Has all deliveries since a time sent again; returns how many. */
  async redeliver(from: Date): Promise<number> {
    return (await this.#call<{ count: number }>('POST', 'redeliver', { filter: { from: from.toISOString() } })).count;
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const headers = { authorization: `Bearer ${this.#target.apiKey}`, 'content-type': 'application/json' };
    const reply = await fetch(`${this.#target.url}/v1/webhooks/${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} /v1/webhooks/${path} was answered with ${reply.status}: ${text.slice(0, 300)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}
