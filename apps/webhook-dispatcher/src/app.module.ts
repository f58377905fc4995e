import { type DynamicModule, Module } from '@nestjs/common';
import { FinishedPage } from '@nightshift/contracts';
import { createEgress, HealthController } from '@nightshift/http';
import { BusStrategy, DeadLettersController, DeadLetterStore } from '@nightshift/messaging';
import { ReadinessChecks } from '@nightshift/runtime';
import { catchUp, observeWork, type Parts, retention, type Surroundings } from '@nightshift/service';
import { Canaries } from './canary.store.ts';
import type { WebhookEnvironment } from './config.ts';
import { DeliveryLoop } from './delivery.loop.ts';
import { DeliveriesController } from './deliveries.controller.ts';
import { DeliveryReader } from './delivery-reader.store.ts';
import { DeliveryStore } from './delivery.store.ts';
import { EndpointLoop } from './endpoint.loop.ts';
import { EndpointStore } from './endpoint.store.ts';
import { FinishedConsumer, FinishedRuns } from './finished.consumer.ts';
import { IdempotencyStore } from './idempotency.store.ts';
import { reencryption } from './reencryption.loop.ts';
import { Subscribers } from './subscribers.store.ts';
import { SubscriptionStore } from './subscription.store.ts';
import { SubscriptionsController } from './subscriptions.controller.ts';

/** Tells endpoints and subscribers of runs that have ended. */
@Module({})
export class AppModule {
  static of(environment: WebhookEnvironment, around: Surroundings, parts: Parts): DynamicModule {
    const { db, onStart } = parts;
    const { log, hints, shutdown } = around;
    const { DELIVERY_SLOTS: slots, ENDPOINT_CONCURRENCY: laneMax, WORK_LEASE_MS: leaseMs, WEBHOOK_TIMEOUT_MS: timeoutMs, WEBHOOK_RETRY_SECONDS: retrySeconds } = environment;
    const keys = { current: environment.ENCRYPTION_KEY, previous: environment.ENCRYPTION_KEY_PREVIOUS };
    const deliveries = new DeliveryStore(db);
    const subscriptions = new SubscriptionStore(db, keys);
    const subscribers = new Subscribers(db, hints);
    const keysOfRequests = new IdempotencyStore(db);
    const egress = createEgress({ allow: environment.EGRESS_ALLOW });
    const loop = new DeliveryLoop({ db, deliveries, keys, egress, hints, slots, laneMax, leaseMs, timeoutMs, retrySeconds, observer: observeWork('delivery', log), onGone: () => health.look(), log });
    const endpoints = new EndpointStore(db);
    const health = new EndpointLoop({ endpoints, subscribers, loop, log });
    const client = around.client('runs');
    const runs = new FinishedRuns(deliveries, subscribers, loop, client);
    onStart(() => subscribers.listen());
    onStart(() => loop.start());
    onStart(() => health.start());
    onStart(() => reencryption(around, subscriptions));
    onStart(() => retention(around, 'deliveries', () => deliveries.forget(environment.RUN_RETENTION_DAYS, 500)));
    onStart(() => retention(around, 'deliveries that wait in vain', () => endpoints.expire(environment.RUN_RETENTION_DAYS, 500)));
    onStart(() => retention(around, 'endpoints', () => endpoints.forget(environment.RUN_RETENTION_DAYS, 500)));
    onStart(() => retention(around, 'idempotency keys', () => keysOfRequests.forget(500)));
    catchUp(around, parts, { what: 'finished runs', client, path: '/internal/finished-runs', page: FinishedPage, take: (finished) => runs.catchUp(finished) });
    shutdown.add('refuse', 'deliveries', () => loop.refuse());
    shutdown.add('refuse', 'endpoints', () => health.stop());
    shutdown.add('drain', 'deliveries', (hurry) => loop.drain(hurry));
    shutdown.add('close', 'egress of webhooks', () => egress.close());
    return {
      module: AppModule,
      controllers: [HealthController, FinishedConsumer, SubscriptionsController, DeliveriesController, DeadLettersController],
      providers: [
        { provide: FinishedRuns, useValue: runs },
        { provide: SubscriptionStore, useValue: subscriptions },
        { provide: Subscribers, useValue: subscribers },
        { provide: DeliveryReader, useValue: new DeliveryReader(db, keysOfRequests) },
        { provide: DeliveryLoop, useValue: loop },
        { provide: Canaries, useValue: new Canaries(deliveries, subscriptions, loop) },
        { provide: ReadinessChecks, useValue: around.readiness },
        { provide: DeadLetterStore, useValue: parts.deadLetters },
        { provide: BusStrategy, useValue: parts.strategy },
      ],
    };
  }
}
