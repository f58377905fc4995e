import { type DynamicModule, Module } from '@nestjs/common';
import { FinishedPage, UsagePage } from '@nightshift/contracts';
import { HealthController } from '@nightshift/http';
import { BusStrategy, DeadLettersController, DeadLetterStore } from '@nightshift/messaging';
import { ReadinessChecks } from '@nightshift/runtime';
import { catchUp, type Parts, type Surroundings } from '@nightshift/service';
import { ReconciliationLoop } from './reconciliation.loop.ts';
import { UsageConsumer } from './usage.consumer.ts';
import { UsageController } from './usage.controller.ts';
import { UsageStore } from './usage.store.ts';

/** Meters what organisations use. */
@Module({})
export class AppModule {
  static of(around: Surroundings, parts: Parts): DynamicModule {
    const usage = new UsageStore(parts.db);
    catchUp(around, parts, { what: 'usage', client: around.client('engine-orchestrator'), path: '/internal/usage', page: UsagePage, take: (turns) => usage.countTurns(turns) });
    catchUp(around, parts, { what: 'finished runs', client: around.client('runs'), path: '/internal/finished-runs', page: FinishedPage, take: (runs) => usage.countRuns(runs) });
    const reconciliation = new ReconciliationLoop(parts.db, around.log);
    parts.onStart(() => reconciliation.start());
    around.shutdown.add('refuse', 'reconciliation', () => reconciliation.stop());
    return {
      module: AppModule,
      controllers: [HealthController, UsageController, UsageConsumer, DeadLettersController],
      providers: [
        { provide: UsageStore, useValue: usage },
        { provide: ReadinessChecks, useValue: around.readiness },
        { provide: DeadLetterStore, useValue: parts.deadLetters },
        { provide: BusStrategy, useValue: parts.strategy },
      ],
    };
  }
}
