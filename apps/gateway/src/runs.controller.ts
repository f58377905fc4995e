import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiTags } from '@nestjs/swagger';
import { CreateRun, ListRuns, RunAccepted, RunList, RunView, WaitRun } from '@nightshift/contracts';
import { type AppRequest, leaving } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { encodingOf } from './admission.ts';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs, Unlimited } from './auth.guard.ts';
import { RunIntake } from './run-intake.client.ts';
import { RunWaits } from './run-waits.client.ts';
import { RunsClient } from './runs.client.ts';

const ENCODING = { name: 'X-Answer-Encoding', required: false, description: 'object or string: how this reply gives result.answer.' };

/** Runs, for clients. */
@ApiTags('Runs')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/runs')
export class RunsController {
  constructor(
    @Inject(RunsClient) private readonly runs: RunsClient,
    @Inject(RunIntake) private readonly intake: RunIntake,
    @Inject(RunWaits) private readonly waits: RunWaits,
  ) {}

  @Post()
  @Needs('runs:write')
  @Answers(202, RunAccepted)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'At most 255 characters. The same key and body within 24 hours give the first reply again.' })
  @ApiHeader({ name: 'X-Answer-Encoding', required: false, description: 'object or string: how result.answer is given with an answerFormat.' })
  async create(@Body({ schema: CreateRun }) body: CreateRun, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<RunAccepted> {
    const { runId, headers } = await this.intake.take(body, caller, request, '/v1/runs');
    reply.headers(headers);
    return { runId, status: 'queued' };
  }

  @Get()
  @Needs('runs:read')
  @Answers(200, RunList)
  list(@Query({ schema: ListRuns }) query: ListRuns, @CallerOf() caller: Caller): Promise<RunList> {
    return this.runs.list(caller.orgId, query);
  }

  @Get(':runId')
  @Needs('runs:read')
  @Answers(200, RunView)
  @ApiHeader(ENCODING)
  get(@Param('runId') runId: string, @CallerOf() caller: Caller, @Headers('x-answer-encoding') encoding: string | undefined): Promise<RunView> {
    return this.runs.get(runId, caller.orgId, encodingOf(encoding));
  }

  @Get(':runId/wait')
  @Needs('runs:read')
  @Answers(200, RunView)
  @ApiHeader(ENCODING)
  wait(@Param('runId') runId: string, @Query({ schema: WaitRun }) { timeout }: WaitRun, @CallerOf() { orgId }: Caller, @Headers('x-answer-encoding') encoding: string | undefined, @Res({ passthrough: true }) reply: FastifyReply): Promise<RunView> {
    return this.waits.wait({ runId, orgId, encoding: encodingOf(encoding), timeoutMs: timeout * 1000, gone: leaving(reply) });
  }

  @Post(':runId/cancel')
  @Needs('runs:write')
  @Unlimited()
  @Answers(200, RunView)
  @ApiHeader(ENCODING)
  cancel(@Param('runId') runId: string, @CallerOf() caller: Caller, @Headers('x-answer-encoding') encoding: string | undefined): Promise<RunView> {
    return this.runs.cancel(runId, caller.orgId, encodingOf(encoding));
  }
}
