import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { CatchUpQuery, FinishedPage, InternalCreateRun, InternalDurations, InternalFinishedBodies, InternalFinishedRuns, InternalQueues, InternalReplay, InternalReplayed, InternalRunCreated, InternalRunEngines, InternalRunIds, InternalRunRequest, InternalRunsAsked, ListRuns, type MissedFinish, OrgScope, type RunFinished, RunList, RunView } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { RecentDurations } from './recent-durations.store.ts';
import { RunReader } from './run-reader.store.ts';
import { RunStore } from './run.store.ts';

/** Runs, for the gateway and the other services. */
@Controller('internal')
export class RunsController {
  constructor(
    @Inject(RunStore) private readonly runs: RunStore,
    @Inject(RunReader) private readonly reader: RunReader,
    @Inject(RecentDurations) private readonly durations: RecentDurations,
  ) {}

  @Post('runs')
  @Returns(200, InternalRunCreated)
  create(@Body({ schema: InternalCreateRun }) run: InternalCreateRun): Promise<InternalRunCreated> {
    return this.runs.create(run);
  }

  @Post('runs/replay')
  @Returns(200, InternalReplayed)
  async replay(@Body({ schema: InternalReplay }) { orgId, idempotency }: InternalReplay): Promise<InternalReplayed> {
    return { runId: await this.runs.holderOf(orgId, idempotency) };
  }

  @Get('runs')
  @Returns(200, RunList)
  list(@Query({ schema: OrgScope }) { orgId }: OrgScope, @Query({ schema: ListRuns }) query: ListRuns): Promise<RunList> {
    return this.reader.list(orgId, query);
  }

  @Post('run-engines')
  @HttpCode(200)
  @Returns(200, InternalRunEngines)
  async engines(@Body({ schema: InternalRunsAsked }) { asked }: InternalRunsAsked): Promise<InternalRunEngines> {
    return { engines: await this.reader.engines(asked) };
  }

  @Post('ended-runs')
  @Returns(200, InternalRunIds)
  async ended(@Body({ schema: InternalRunIds }) { runIds }: InternalRunIds): Promise<InternalRunIds> {
    return { runIds: await this.reader.ended(runIds) };
  }

  @Get('durations')
  @Returns(200, InternalDurations)
  async recentDurations(): Promise<InternalDurations> {
    return { medianMs: await this.durations.medians() };
  }

  @Get('queues')
  @Returns(200, InternalQueues)
  async queues(): Promise<InternalQueues> {
    return { queues: await this.reader.queues() };
  }

  @Get('runs/:id')
  @Returns(200, RunView)
  get(@Param('id') id: string, @Query({ schema: OrgScope }) scope: OrgScope): Promise<RunView> {
    return this.reader.get(id, scope.orgId, scope.answerEncoding);
  }

  @Post('runs/:id/cancel')
  @Returns(200, RunView)
  async cancel(@Param('id') id: string, @Query({ schema: OrgScope }) scope: OrgScope): Promise<RunView> {
    await this.reader.get(id, scope.orgId);
    await this.runs.apply([{ runId: id, event: { kind: 'cancel' } }]);
    return this.reader.get(id, scope.orgId, scope.answerEncoding);
  }

  @Post('runs/:id/announce-end')
  @HttpCode(204)
  async announceEnd(@Param('id') id: string): Promise<void> {
    await this.runs.apply([{ runId: id, event: { kind: 'end awaited' } }]);
  }

  @Get('runs/:id/request')
  @Returns(200, InternalRunRequest)
  async request(@Param('id') id: string): Promise<{ request: unknown }> {
    return { request: await this.reader.request(id) };
  }

  @Post('runs/finished')
  @Returns(200, InternalFinishedBodies)
  async finished(@Body({ schema: InternalFinishedRuns }) { runIds }: InternalFinishedRuns): Promise<{ events: RunFinished[] }> {
    return { events: await this.reader.finished(runIds) };
  }

  @Get('finished-runs')
  @Returns(200, FinishedPage)
  finishedSince(@Query({ schema: CatchUpQuery }) query: CatchUpQuery): Promise<{ events: MissedFinish[]; nextCursor: string | null }> {
    return this.reader.finishedSince(query);
  }
}
