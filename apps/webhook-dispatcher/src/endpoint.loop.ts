import { isInfrastructure } from '@nightshift/postgres';
import { type Logger, metrics, newTraceparent, traceIdOf } from '@nightshift/runtime';
import type { DeliveryLoop } from './delivery.loop.ts';
import type { EndpointStore } from './endpoint.store.ts';
import type { Subscribers } from './subscribers.store.ts';

const EVERY_MS = 10_000;

/** Disables subscriptions whose endpoints have failed for days, and tells of those that were disabled. */
export class EndpointLoop {
  readonly #endpoints: EndpointStore;
  readonly #subscribers: Subscribers;
  readonly #loop: DeliveryLoop;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(options: { endpoints: EndpointStore; subscribers: Subscribers; loop: DeliveryLoop; log: Logger }) {
    this.#endpoints = options.endpoints;
    this.#subscribers = options.subscribers;
    this.#loop = options.loop;
    this.#log = options.log;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), EVERY_MS);
    this.look();
  }

  /** Looks now: a subscription may have been disabled. */
  look(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Looks no more, and waits for what is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#again = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#endpoints.disableFailing();
        await this.#announce();
      } catch (err) {
        this.#log[isInfrastructure(err) ? 'debug' : 'error']({ err }, 'endpoints');
      }
    }
  }

  async #announce(): Promise<void> {
    const traceparent = newTraceparent();
    const disabled = await this.#endpoints.announce(() => traceparent);
    for (const { id, orgId, callbackUrl, disabledReason, told } of disabled) {
      this.#subscribers.changed(orgId);
      metrics.endpointsDisabled.inc({ reason: disabledReason });
      this.#log.warn({ subscriptionId: id, orgId, endpoint: new URL(callbackUrl).host, reason: disabledReason, told, traceId: traceIdOf(traceparent) }, 'subscription disabled');
    }
    const told = disabled.reduce((sum, one) => sum + one.told, 0);
    if (told > 0) this.#loop.expect(told);
  }
}
