import { Controller, Inject } from '@nestjs/common';
import { type FinishedBody, InternalFinishedBodies, type RunFinished } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { Consumes, type Message } from '@nightshift/messaging';
import { newTraceparent } from '@nightshift/runtime';
import { deliveriesOf } from './announcement.ts';
import { CALLBACK_TARGET, type NewDelivery } from './delivery.ts';
import { DeliveryLoop } from './delivery.loop.ts';
import type { DeliveryStore } from './delivery.store.ts';
import { mayWant, type Subscriber } from './subscriber.ts';
import type { Subscribers } from './subscribers.store.ts';

type Finished = RunFinished & { readonly traceparent?: string | undefined };

/** A run's end, and the subscriptions that may want to hear of it. */
interface Wanted {
  readonly run: Finished;
  readonly subscribers: readonly Subscriber[];
}

const BODIES_AT_ONCE = 32;

/** Makes deliveries of runs that have ended, however they were announced. */
export class FinishedRuns {
  readonly #deliveries: DeliveryStore;
  readonly #subscribers: Subscribers;
  readonly #loop: DeliveryLoop;
  readonly #runs: InternalClient;

  constructor(deliveries: DeliveryStore, subscribers: Subscribers, loop: DeliveryLoop, runs: InternalClient) {
    this.#deliveries = deliveries;
    this.#subscribers = subscribers;
    this.#loop = loop;
    this.#runs = runs;
  }

  /** Inserts the deliveries of runs to their callbacks and to the subscriptions that want them, once each. */
  async take(finished: readonly Finished[]): Promise<void> {
    const wanted = await this.#wanted(finished);
    await this.#insert(wanted.filter(({ run }) => run.body));
    await this.#insertFetched(await this.#missing(wanted.filter(({ run }) => !run.body)));
  }

  /** As `take`, for announcements most of which are known. */
  async catchUp(finished: readonly Finished[]): Promise<void> {
    const missing = await this.#missing(await this.#wanted(finished));
    await this.#insert(missing.filter(({ run }) => run.body));
    await this.#insertFetched(missing.filter(({ run }) => !run.body));
  }

  async #wanted(finished: readonly Finished[]): Promise<Wanted[]> {
    const subscribers = await this.#subscribers.of(new Set(finished.map(({ orgId }) => orgId)));
    const all = finished.map((run): Wanted => ({ run, subscribers: (subscribers.get(run.orgId) ?? []).filter((subscriber) => mayWant(subscriber, run)) }));
    return all.filter((wanted) => targetsOf(wanted).length > 0);
  }

  async #missing(wanted: readonly Wanted[]): Promise<Wanted[]> {
    const missing = await this.#deliveries.missing(wanted.flatMap(targetsOf));
    const runIds = new Set(missing.map(({ runId }) => runId));
    return wanted.filter(({ run }) => runIds.has(run.runId));
  }

  /** Bodies that did not travel are asked for. */
  async #insertFetched(wanted: readonly Wanted[]): Promise<void> {
    for (let from = 0; from < wanted.length; from += BODIES_AT_ONCE) {
      const some = wanted.slice(from, from + BODIES_AT_ONCE);
      const runIds = [...new Set(some.map(({ run }) => run.runId))];
      const { events } = await this.#runs.call({ method: 'POST', path: '/internal/runs/finished', body: { runIds } }, InternalFinishedBodies);
      const bodies = new Map(events.map(({ runId, body }) => [runId, body]));
      await this.#insert(some.map(({ run, subscribers }) => ({ run: { ...run, body: bodies.get(run.runId) }, subscribers })));
    }
  }

  async #insert(wanted: readonly Wanted[]): Promise<void> {
    const deliveries = wanted.flatMap(({ run: { body, traceparent, ...run }, subscribers }) => deliveriesOf({ ...run, traceparent: traceparent ?? newTraceparent() }, known(body, run.runId), subscribers));
    let fresh = 0;
    // Once for each statement that has written some: the first of many are attempted while the last are being written.
    const tell = (): void => {
      this.#loop.expect(fresh);
      fresh = 0;
    };
    const insert = async (delivery: NewDelivery): Promise<void> => {
      if (!(await this.#deliveries.insert(delivery))) return;
      fresh += 1;
      if (fresh === 1) queueMicrotask(tell);
    };
    await Promise.all(deliveries.map(insert));
  }
}

function targetsOf({ run: { runId, callbackUrl }, subscribers }: Wanted): { runId: string; target: string }[] {
  return [...(callbackUrl === undefined ? [] : [CALLBACK_TARGET]), ...subscribers.map(({ id }) => id)].map((target) => ({ runId, target }));
}

function known(body: FinishedBody | undefined, runId: string): FinishedBody {
  if (!body) throw new Error(`runs does not say how ${runId} ended`);
  return body;
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
