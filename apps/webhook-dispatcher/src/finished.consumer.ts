import { Controller, Inject } from '@nestjs/common';
import { RunFinished } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { Consumes, type Message } from '@nightshift/messaging';
import { traceparentFrom } from '@nightshift/runtime';
import { DeliveryLoop } from './delivery.loop.ts';
import type { Announced, DeliveryStore } from './delivery.store.ts';

type Finished = RunFinished & { readonly traceparent?: string | undefined };
type WithCallback = Finished & { readonly callbackUrl: string };

const FETCHES_AT_ONCE = 8;

/** Makes deliveries of runs that have ended, however they were announced. */
export class FinishedRuns {
  readonly #deliveries: DeliveryStore;
  readonly #loop: DeliveryLoop;
  readonly #runs: InternalClient;

  constructor(deliveries: DeliveryStore, loop: DeliveryLoop, runs: InternalClient) {
    this.#deliveries = deliveries;
    this.#loop = loop;
    this.#runs = runs;
  }

  /** Inserts the deliveries of the runs that have a callback, once each. */
  async take(finished: readonly Finished[]): Promise<void> {
    const wanted = finished.filter((run): run is WithCallback => run.callbackUrl !== undefined);
    await this.#insert(wanted.filter((run) => run.body));
    const large = await this.#missing(wanted.filter((run) => !run.body));
    for (let from = 0; from < large.length; from += FETCHES_AT_ONCE) {
      await this.#insert(await Promise.all(large.slice(from, from + FETCHES_AT_ONCE).map((run) => this.#whole(run))));
    }
  }

  /** As `take`, for announcements most of which are known. */
  async catchUp(finished: readonly Finished[]): Promise<void> {
    await this.take(await this.#missing(finished.filter((run) => run.callbackUrl !== undefined)));
  }

  async #missing<T extends Finished>(finished: readonly T[]): Promise<T[]> {
    const missing = await this.#deliveries.missing(finished.map((run) => run.runId));
    return finished.filter((run) => missing.has(run.runId));
  }

  /** A body that was too large to travel is asked for. */
  async #whole(run: WithCallback): Promise<WithCallback> {
    const { body } = await this.#runs.call({ method: 'GET', path: `/internal/runs/${run.runId}/finished`, ...(run.traceparent !== undefined && { traceparent: run.traceparent }) }, RunFinished);
    return { ...run, body };
  }

  async #insert(finished: readonly WithCallback[]): Promise<void> {
    const announced = finished.map(({ body, traceparent, ...run }): Announced => {
      if (!body) throw new Error(`runs does not say how ${run.runId} ended`);
      return { run, body, traceparent: traceparentFrom(traceparent) };
    });
    const inserted = await Promise.all(announced.map((row) => this.#deliveries.insert(row)));
    const count = inserted.filter(Boolean).length;
    if (count > 0) this.#loop.expect(count);
  }
}

/** Hears which runs have ended. */
@Controller()
export class FinishedConsumer {
  constructor(@Inject(FinishedRuns) private readonly runs: FinishedRuns) {}

  @Consumes('run.finished')
  finished(messages: readonly Message<'run.finished'>[]): Promise<void> {
    return this.runs.take(messages.map(({ payload, traceparent }) => ({ ...payload, traceparent })));
  }
}
