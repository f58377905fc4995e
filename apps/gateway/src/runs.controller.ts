import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiTags } from '@nestjs/swagger';
import { AppError, CreateRun, findEngine, ListRuns, RunAccepted, RunList, RunView } from '@nightshift/contracts';
import { type AppRequest, assertPublicUrl, EgressError } from '@nightshift/http';
import { compileJsonSchema } from '@nightshift/json-schema';
import { newId } from '@nightshift/std';
import type { FastifyReply } from 'fastify';
import { admit, encodingOf, hasImages, idempotencyOf } from './admission.ts';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';
import { RunsClient } from './runs.client.ts';
import { Settings } from './settings.ts';
import { ToolsClient } from './tools.client.ts';

/** Runs, for clients. */
@ApiTags('Runs')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/runs')
export class RunsController {
  constructor(
    @Inject(RunsClient) private readonly runs: RunsClient,
    @Inject(ToolsClient) private readonly tools: ToolsClient,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Post()
  @Needs('runs:write')
  @Answers(202, RunAccepted)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'At most 255 characters. The same key and body within 24 hours give the first reply again.' })
  @ApiHeader({ name: 'X-Answer-Encoding', required: false, description: 'object or string: how result.answer is given with an answerFormat.' })
  async create(@Body({ schema: CreateRun }) body: CreateRun, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<RunAccepted> {
    this.#check(body, caller);
    const { traceparent, headers, rawBody } = request;
    const envelope = { runId: newId('run'), traceparent, answerEncoding: encodingOf(headers['x-answer-encoding']), idempotency: idempotencyOf(headers['idempotency-key'], '/v1/runs', rawBody) };
    const saved = await this.tools.resolve(body.input.tools, caller.orgId);
    const { runId, replayed } = await this.runs.create(admit(body, { ...caller, pool: this.settings.onePool ?? caller.pool }, envelope, this.settings.sealPublicKey, saved));
    request.notes.runId = runId;
    if (replayed) reply.header('idempotency-replayed', 'true');
    if (hasReasoningFormat(request.body)) reply.header('warning', '299 - "input.reasoningFormat is ignored"');
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
  get(@Param('runId') runId: string, @CallerOf() caller: Caller, @Headers('x-answer-encoding') encoding: string | undefined): Promise<RunView> {
    return this.runs.get(runId, caller.orgId, encodingOf(encoding));
  }

  @Post(':runId/cancel')
  @Needs('runs:write')
  @Answers(200, RunView)
  cancel(@Param('runId') runId: string, @CallerOf() caller: Caller, @Headers('x-answer-encoding') encoding: string | undefined): Promise<RunView> {
    return this.runs.cancel(runId, caller.orgId, encodingOf(encoding));
  }

  #check(body: CreateRun, caller: Caller): void {
    const engine = findEngine(this.settings.engines, body.engine);
    if (!engine) {
      throw invalid('engine', `unknown engine "${body.engine}"; known: ${this.settings.engines.map(({ id }) => id).join(', ')}`);
    }
    if (!engine.images && hasImages(body)) {
      const able = this.settings.engines.filter(({ images }) => images).map(({ id }) => id);
      throw invalid('input.content', `the engine "${body.engine}" takes no images; those that do: ${able.join(', ') || 'none'}`);
    }
    const [problem] = body.input.answerFormat ? compileJsonSchema(body.input.answerFormat).problems : [];
    if (problem !== undefined) throw invalid('input.answerFormat', problem);
    const callbackUrl = body.output?.callbackUrl;
    if (!callbackUrl) return;
    try {
      assertPublicUrl(callbackUrl, [...this.settings.egressAllow, ...caller.egressAllow]);
    } catch (err) {
      if (err instanceof EgressError) throw invalid('output.callbackUrl', `${err.message}; the operator may allow addresses with EGRESS_ALLOW`);
      throw err;
    }
  }
}

function invalid(field: string, problem: string): AppError {
  return new AppError('invalid_request', { message: `${field}: ${problem}`, details: { fields: { [field]: problem } } });
}

function hasReasoningFormat(body: unknown): boolean {
  const input = (body as { input?: { reasoningFormat?: unknown } } | undefined)?.input;
  return input?.reasoningFormat !== undefined;
}
