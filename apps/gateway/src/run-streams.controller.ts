import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AppError, CreateRun, StreamQuery } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { assertScope, type Caller } from './api-key.ts';
import { AuthGuard, BrowserMayUse, CallerOf, Needs } from './auth.guard.ts';
import { renderNotice, type StreamedRun } from './run-wire.ts';
import { RunIntake } from './run-intake.client.ts';
import { RunsClient } from './runs.client.ts';
import { StreamSender } from './stream-sender.server.ts';

const EVENTS = { status: 200, description: 'Server-sent events: started, text of the run’s document, reasoning_node, tool_call, then one result or error, and [DONE].', content: { 'text/event-stream': { schema: { type: 'string' as const } } } };
const LAST_EVENT_ID = { name: 'Last-Event-ID', required: false, description: 'Goes on after this event; wins over starting_after.' };
const SEQ_MAX = 2_147_483_647;

/** Runs as they go on, for clients. */
@ApiTags('Streams')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/runs')
export class RunStreamsController {
  constructor(
    @Inject(RunIntake) private readonly intake: RunIntake,
    @Inject(RunsClient) private readonly runs: RunsClient,
    @Inject(StreamSender) private readonly sender: StreamSender,
  ) {}

  @Post('stream')
  @Needs('runs:write')
  @ApiResponse(EVENTS)
  @ApiHeader({ name: 'X-Answer-Encoding', required: false, description: 'object or string: how result.answer is given with an answerFormat.' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'The same key and body within 24 hours attach to the first run’s stream.' })
  @ApiHeader(LAST_EVENT_ID)
  async create(@Body({ schema: CreateRun }) body: CreateRun, @Query({ schema: StreamQuery }) query: StreamQuery, @Headers('last-event-id') lastEventId: string | undefined, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res() reply: FastifyReply): Promise<void> {
    const after = afterOf(query, lastEventId);
    const { runId, headers } = await this.intake.take(body, caller, request, '/v1/runs/stream');
    reply.headers(headers);
    this.#send({ runId, engine: body.engine }, after, { caller, reply, cancels: query.on_disconnect === 'cancel', atDrain: renderNotice('service_unavailable', 'The server is going away; the run goes on, and its stream can be resumed.') });
  }

  @Get(':runId/stream')
  @Needs('runs:read')
  @BrowserMayUse()
  @ApiResponse(EVENTS)
  @ApiHeader(LAST_EVENT_ID)
  async observe(@Param('runId') runId: string, @Query({ schema: StreamQuery }) query: StreamQuery, @Headers('last-event-id') lastEventId: string | undefined, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res() reply: FastifyReply): Promise<void> {
    const after = afterOf(query, lastEventId);
    const cancels = query.on_disconnect === 'cancel';
    if (cancels) assertScope(caller, 'runs:write');
    const engine = await this.runs.engineOf({ runId, orgId: caller.orgId });
    request.notes.runId = runId;
    this.#send({ runId, engine }, after, { caller, reply, cancels, atDrain: ': the server is going away\nretry: 1000\n\n' });
  }

  #send({ runId, engine }: StreamedRun, after: number, { caller, reply, cancels, atDrain }: { caller: Caller; reply: FastifyReply; cancels: boolean; atDrain: string }): void {
    const { orgId, pool } = caller;
    // A run that is watched for long is not kept whole for that.
    this.sender.send(reply, { runId, engine, pool }, after, { atDrain, headers: { 'x-run-id': runId }, ...(cancels && { onLeave: () => this.runs.cancel(runId, orgId, undefined) }) });
  }
}

/** The frame to go on after. No run has more frames than can be numbered. */
function afterOf({ starting_after: startingAfter = 0 }: StreamQuery, lastEventId: string | undefined): number {
  return Math.min(SEQ_MAX, lastEventId === undefined ? startingAfter : numberOf(lastEventId));
}

function numberOf(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const problem = 'must be the id of an event, a number';
  throw new AppError('invalid_request', { message: `Last-Event-ID: ${problem}`, details: { fields: { 'Last-Event-ID': problem } } });
}
