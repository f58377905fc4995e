import { type DynamicModule, Module } from '@nestjs/common';
import { HealthController } from '@nightshift/http';
import { BusStrategy, DeadLettersController, DeadLetterStore } from '@nightshift/messaging';
import { type Logger, metrics, ReadinessChecks, startSpan, traceIdOf } from '@nightshift/runtime';
import { announceEnds } from '@nightshift/run-stream';
import { type Parts, retention, type Surroundings } from '@nightshift/service';
import type { RunsEnvironment } from './config.ts';
import { DeadlineLoop } from './deadline.loop.ts';
import { ENGINE_CLIENT, EngineConsumer } from './engine.consumer.ts';
import { RecentDurations } from './recent-durations.store.ts';
import type { Run } from './run.ts';
import { RunReader } from './run-reader.store.ts';
import { RunStore } from './run.store.ts';
import { RunsController } from './runs.controller.ts';

/** The only writer of a run's state. */
@Module({})
export class AppModule {
  static of(environment: RunsEnvironment, around: Surroundings, parts: Parts): DynamicModule {
    const announceEnd = announceEnds(around.hints);
    const runs = new RunStore(parts.db, parts.relay, (change) => {
      if (!change.effects.includes('finished')) return;
      announceEnd(change.run.id);
      noteEnd(change.run, around.log);
    });
    const deadlines = new DeadlineLoop(runs, around.log);
    parts.onStart(() => deadlines.start());
    parts.onStart(() => retention(around, 'runs', () => runs.forget(environment.RUN_RETENTION_DAYS, 1000)));
    around.shutdown.add('refuse', 'deadlines', () => deadlines.stop());
    return {
      module: AppModule,
      controllers: [HealthController, RunsController, EngineConsumer, DeadLettersController],
      providers: [
        { provide: RunStore, useValue: runs },
        { provide: RunReader, useValue: new RunReader(parts.db) },
        { provide: RecentDurations, useValue: new RecentDurations(parts.db) },
        { provide: ENGINE_CLIENT, useValue: around.client('engine-orchestrator') },
        { provide: ReadinessChecks, useValue: around.readiness },
        { provide: DeadLetterStore, useValue: parts.deadLetters },
        { provide: BusStrategy, useValue: parts.strategy },
      ],
    };
  }
}

/** One line, one span and its observations for each run that ends. The span has none below it: it would be missing until then. */
function noteEnd(run: Run, log: Logger): void {
  if (!run.completedAt) return;
  const durationMs = run.completedAt.getTime() - run.createdAt.getTime();
  metrics.runDuration.observe({ status: run.status }, durationMs / 1000, run.traceparent);
  if (run.startedAt) metrics.runStartDelay.observe({ pool: run.pool }, (run.startedAt.getTime() - run.createdAt.getTime()) / 1000, run.traceparent);
  const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': run.engine, 'nightshift.run_id': run.id, 'nightshift.org_id': run.orgId, 'nightshift.status': run.status };
  startSpan(`invoke_agent ${run.engine}`, { parent: run.traceparent, kind: 'internal', attributes, startedAt: run.createdAt }).end(run.status === 'failed' || run.status === 'timed_out' ? (run.error?.code ?? run.status) : undefined);
  log.info({ runId: run.id, orgId: run.orgId, traceId: traceIdOf(run.traceparent), status: run.status, durationMs, ...(run.error && { errorCode: run.error.code }) }, 'run');
}
