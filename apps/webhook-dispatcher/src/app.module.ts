import { type DynamicModule, Module } from '@nestjs/common';
import { FinishedPage } from '@nightshift/contracts';
import { createEgress, HealthController } from '@nightshift/http';
import { BusStrategy, DeadLettersController, DeadLetterStore } from '@nightshift/messaging';
import { ReadinessChecks } from '@nightshift/runtime';
import { catchUp, observeWork, type Parts, retention, type Surroundings } from '@nightshift/service';
import type { WebhookEnvironment } from './config.ts';
import { DeliveryLoop } from './delivery.loop.ts';
import { DeliveryStore } from './delivery.store.ts';
import { FinishedConsumer, FinishedRuns } from './finished.consumer.ts';

/** Tells endpoints of runs that have ended. */
@Module({})
export class AppModule {
  static of(environment: WebhookEnvironment, around: Surroundings, parts: Parts): DynamicModule {
    const { db, onStart } = parts;
    const { log, hints, shutdown } = around;
    const { DELIVERY_SLOTS: slots, ENDPOINT_CONCURRENCY: laneMax, WORK_LEASE_MS: leaseMs, WEBHOOK_TIMEOUT_MS: timeoutMs, WEBHOOK_RETRY_SECONDS: retrySeconds } = environment;
    const deliveries = new DeliveryStore(db);
    const egress = createEgress({ allow: environment.EGRESS_ALLOW });
    const loop = new DeliveryLoop({ db, deliveries, egress, hints, slots, laneMax, leaseMs, timeoutMs, retrySeconds, observer: observeWork('delivery', log), log });
    const client = around.client('runs');
    const runs = new FinishedRuns(deliveries, loop, client);
    onStart(() => loop.start());
    onStart(() => retention(around, 'deliveries', () => deliveries.forget(environment.RUN_RETENTION_DAYS, 500)));
    catchUp(around, parts, { what: 'finished runs', client, path: '/internal/finished-runs', page: FinishedPage, take: (finished) => runs.catchUp(finished) });
    shutdown.add('refuse', 'deliveries', () => loop.refuse());
    shutdown.add('drain', 'deliveries', (hurry) => loop.drain(hurry));
    shutdown.add('close', 'egress of webhooks', () => egress.close());
    return {
      module: AppModule,
      controllers: [HealthController, FinishedConsumer, DeadLettersController],
      providers: [
        { provide: FinishedRuns, useValue: runs },
        { provide: ReadinessChecks, useValue: around.readiness },
        { provide: DeadLetterStore, useValue: parts.deadLetters },
        { provide: BusStrategy, useValue: parts.strategy },
      ],
    };
  }
}
