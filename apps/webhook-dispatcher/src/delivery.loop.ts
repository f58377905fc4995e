import type { Egress } from '@nightshift/http';
import { type Database, type Held, patiently, Worker, type WorkObserver } from '@nightshift/postgres';
import { type Hints, workChannel } from '@nightshift/run-stream';
import { contextOf, type Logger, metrics, type SpanOptions, traceIdOf, withSpan } from '@nightshift/runtime';
import { DecryptError, type EncryptionKeys } from '@nightshift/std';
import { judge, LOCKED, ORPHANED, type Verdict, workerLost } from './delivery.ts';
import { DELIVERIES } from './delivery.sql.ts';
import type { ClaimedDelivery, DeliveryStore, Ending } from './delivery.store.ts';
import { type AttemptOutcome, postDelivery } from './endpoint.client.ts';
import { OpenedSecrets } from './opened-secrets.ts';
import type { Opened } from './subscription.ts';

/** What the loop works with. */
export interface DeliveryLoopOptions {
  readonly db: Database;
  readonly deliveries: DeliveryStore;
  readonly keys: EncryptionKeys;
  readonly egress: Egress;
  readonly hints: Hints;
  readonly slots: number;
  /** Attempts in flight per endpoint, over all replicas. */
  readonly laneMax: number;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly retrySeconds: readonly number[];
  readonly observer: WorkObserver;
  /** Called when an endpoint has said that it is gone for good. */
  readonly onGone: () => void;
  readonly log: Logger;
}

// Deliveries are shared by the organisations of all pools; lanes keep them apart.
const POOL = 'shared';
const CLAIMS_MAX = 5;
const UNSIGNED: Opened = { secret: null, previousSecret: null, headers: {} };
// Beyond that the poll of the worker is precise enough.
const TIMER_MS_MAX = 60_000;

/** What may become of an attempt, as its metric has it. An increase is seen only of what was there before. */
const OUTCOMES = ['delivered', 'pending', 'dead', 'canceled', 'lease_lost'] as const;

/** Attempts deliveries: post → judge → commit, under a lease, as many as there are slots. */
export class DeliveryLoop {
  readonly #options: DeliveryLoopOptions;
  readonly #worker: Worker<ClaimedDelivery>;
  readonly #secrets: OpenedSecrets;
  readonly #channel = workChannel('delivery', POOL);

  constructor(options: DeliveryLoopOptions) {
    this.#options = options;
    const { db, slots, laneMax, leaseMs, observer } = options;
    this.#secrets = new OpenedSecrets(options.keys);
    this.#worker = new Worker<ClaimedDelivery>({ db, table: DELIVERIES, pool: POOL, slots, laneMax, leaseMs, observer, run: (delivery, held) => this.#run(delivery, held) });
  }

  start(): void {
    for (const outcome of OUTCOMES) metrics.deliveries.inc({ outcome }, 0);
    this.#options.hints.listen(this.#channel, () => this.#worker.wake());
    this.#worker.startLoop();
  }

  /** Says that `count` deliveries have become due; the other replicas hear of it if there are more than this one has slots for. */
  expect(count: number): void {
    const free = this.#worker.reserve(count);
    this.#worker.start([], free);
    this.#worker.wake();
    if (free < count) this.#options.hints.send(this.#channel, '');
  }

  refuse(): void {
    this.#worker.refuse();
  }

  drain(hurry: AbortSignal): Promise<void> {
    return this.#worker.drain(hurry);
  }

  async #run(delivery: ClaimedDelivery, held: Held): Promise<void> {
    if (delivery.attempts > CLAIMS_MAX) return this.#end({ delivery, verdict: workerLost(CLAIMS_MAX) }, held);
    if (delivery.subscriptionId !== null && delivery.subscription === null) return this.#end({ delivery, verdict: ORPHANED }, held);
    const open = this.#open(delivery);
    if (!open) return this.#end({ delivery, verdict: LOCKED }, held);
    if (delivery.attemptCount === 0 && delivery.attempts === 1) metrics.firstAttemptDelay.observe({}, delivery.queueAgeMs / 1000, delivery.traceparent);
    const startedAt = new Date();
    const outcome = await this.#attempt(delivery, open, held);
    if (!outcome) return;
    const verdict = judge(outcome, delivery.attemptCount + 1 - delivery.scheduleFrom, delivery.subscription?.retrySeconds ?? this.#options.retrySeconds);
    metrics.deliveryDuration.observe({ outcome: outcome.errorCode ?? 'delivered' }, outcome.durationMs / 1000, delivery.traceparent);
    await this.#end({ delivery, verdict, attempt: { startedAt, outcome } }, held);
  }

  /** Undefined when the attempt was given up: the lease is lost, or the process must go. */
  async #attempt(delivery: ClaimedDelivery, { headers, ...secrets }: Opened, held: Held): Promise<AttemptOutcome | undefined> {
    const { id: deliveryId, body, event, subscription } = delivery;
    const { egress, timeoutMs, log } = this.#options;
    const to = { url: subscription?.callbackUrl ?? delivery.url, allow: subscription?.egressAllow ?? delivery.egressAllow, owner: delivery.orgId };
    try {
      return await withSpan('webhook attempt', spanOf(delivery, to.url), async (traceparent, span) => {
        const outcome = await postDelivery(egress, { ...to, body, deliveryId, event, secrets, headers, traceparent, timeoutMs, signal: held.signal });
        if (outcome.status !== null) span.set({ 'http.response.status_code': outcome.status });
        span.end(outcome.errorCode ?? undefined);
        return outcome;
      });
    } catch (err) {
      if (!held.signal.aborted) throw err;
      log.info({ ...idsOf(delivery), attempt: delivery.attemptCount + 1, status: 'aborted', reason: String((held.signal.reason as Error).message) }, 'delivery');
      return undefined;
    }
  }

  /** What is secret of the delivery's subscription; undefined if it cannot be opened. */
  #open({ subscription, orgId, subscriptionId }: ClaimedDelivery): Opened | undefined {
    if (!subscription || subscriptionId === null) return UNSIGNED;
    try {
      return this.#secrets.of({ ...subscription, orgId, id: subscriptionId });
    } catch (err) {
      if (!(err instanceof DecryptError)) throw err;
      this.#options.log.error({ orgId, subscriptionId, errorCode: LOCKED.errorCode, err }, 'subscription');
      return undefined;
    }
  }

  async #end(ending: Ending, held: Held): Promise<void> {
    const { delivery, verdict, attempt } = ending;
    const { isOurs, laneWaits } = await patiently(() => this.#options.deliveries.commit(ending), held);
    this.#options.log.info(
      {
        ...idsOf(delivery),
        attempt: delivery.attemptCount + (attempt ? 1 : 0),
        durationMs: attempt?.outcome.durationMs,
        queueAgeMs: Math.round(delivery.queueAgeMs),
        status: isOurs ? verdict.status : 'lease_lost',
        responseStatus: attempt?.outcome.status ?? undefined,
        errorCode: verdict.errorCode ?? undefined,
      },
      'delivery',
    );
    metrics.deliveries.inc({ outcome: isOurs ? verdict.status : 'lease_lost' });
    if (laneWaits) this.#worker.wake();
    if (isOurs && verdict.gone) this.#options.onGone();
    if (isOurs && verdict.status === 'pending') this.#retryLater(verdict);
  }

  #retryLater({ delayMs }: Verdict): void {
    metrics.retries.inc({ work: 'delivery', pool: POOL });
    if (delayMs <= TIMER_MS_MAX) setTimeout(() => this.#worker.wake(), delayMs + 5).unref();
  }
}

/** Linked to the attempt before it. Of the address only the host: the rest of it is often a secret. */
function spanOf({ id, runId, attemptCount, attempts, epoch, traceparent: parent }: ClaimedDelivery, url: string): SpanOptions {
  const attributes = { ...(runId !== null && { 'nightshift.run_id': runId }), 'nightshift.delivery_id': id, 'nightshift.attempt': attemptCount + 1, 'http.request.method': 'POST', 'server.address': URL.parse(url)?.hostname ?? '' };
  const keyOf = (claim: number): string => `delivery ${id} ${claim}`;
  const before = attemptCount > 0 || attempts > 1 ? contextOf(parent, keyOf(epoch - 1)) : undefined;
  return { parent, kind: 'client', attributes, key: keyOf(epoch), links: [before] };
}

function idsOf({ id, runId, orgId, subscriptionId, traceparent }: ClaimedDelivery): Record<string, string | undefined> {
  return { deliveryId: id, runId: runId ?? undefined, orgId, subscriptionId: subscriptionId ?? undefined, traceId: traceIdOf(traceparent) };
}
