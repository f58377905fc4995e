import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiTags } from '@nestjs/swagger';
import { AsyncChatRequest, ListRuns, RequestAccepted, RequestList, RequestView } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { AgentChats } from './agent-chats.client.ts';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs, Unlimited } from './auth.guard.ts';
import { requestOf, requestsOf } from './request-view.ts';
import { RunsClient } from './runs.client.ts';

/** Runs as requests in the background: the same rows as on /v1/runs, with the chat API's shapes. */
@ApiTags('Requests')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1')
export class RequestsController {
  constructor(
    @Inject(AgentChats) private readonly chats: AgentChats,
    @Inject(RunsClient) private readonly runs: RunsClient,
  ) {}

  @Post('chat/completions/async')
  @Needs('runs:write')
  @Answers(202, RequestAccepted)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'At most 255 characters. The same key and body within 24 hours give the first reply again.' })
  submit(@Body({ schema: AsyncChatRequest }) body: AsyncChatRequest, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<RequestAccepted> {
    return this.chats.submit({ body, caller, request, reply }, '/v1/chat/completions/async');
  }

  @Get('requests')
  @Needs('runs:read')
  @Answers(200, RequestList)
  async list(@Query({ schema: ListRuns }) query: ListRuns, @CallerOf() { orgId }: Caller): Promise<RequestList> {
    return requestsOf(await this.runs.list(orgId, query));
  }

  @Get('requests/:requestId/status')
  @Needs('runs:read')
  @Answers(200, RequestView)
  async status(@Param('requestId') requestId: string, @CallerOf() { orgId }: Caller): Promise<RequestView> {
    return requestOf(await this.runs.get(requestId, orgId, 'object'));
  }

  @Post('requests/:requestId/cancel')
  @Needs('runs:write')
  @Unlimited()
  @Answers(200, RequestView)
  async cancel(@Param('requestId') requestId: string, @CallerOf() { orgId }: Caller): Promise<RequestView> {
    return requestOf(await this.runs.cancel(requestId, orgId, 'object'));
  }
}
