import { Body, Controller, HttpCode, Inject, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import { ChatCompletion, ChatRequest, findEngine, LeaveQuery, RequestAccepted } from '@nightshift/contracts';
import { type AppRequest, streamTo } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { type AgentCall, AgentChats } from './agent-chats.client.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';
import { isPlainModel } from './catalogue.ts';
import { assertClientTools, modelNotFound, withRequestId } from './chat.ts';
import { ChatsClient } from './chats.client.ts';
import { Settings } from './settings.ts';

/** Chat completions: the id of the model decides whether a model is called or an agent runs. */
@ApiTags('Chat')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/chat/completions')
export class ChatController {
  constructor(
    @Inject(ChatsClient) private readonly chats: ChatsClient,
    @Inject(AgentChats) private readonly agents: AgentChats,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Post()
  @Needs('runs:write')
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: ChatCompletion })
  @ApiResponse({ status: 202, description: 'With `async`: as on /v1/chat/completions/async.', standardSchema: RequestAccepted })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'Of an engine: the same key and body within 24 hours get the completion of the first run.' })
  create(@Body({ schema: ChatRequest }) body: ChatRequest, @Query({ schema: LeaveQuery }) { on_disconnect }: LeaveQuery, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res() reply: FastifyReply): Promise<void> {
    const { model } = body;
    const call: AgentCall = { body, caller, request, reply, cancels: on_disconnect === 'cancel' };
    if (body['async'] === true) return this.#submit(call);
    const catalogue = this.settings.catalogueOf(caller.pool);
    if (isPlainModel(catalogue, model)) return this.#callModel(body, caller, request, reply);
    if (findEngine(catalogue.engines, model)) return body.stream ? this.agents.stream(call) : this.#runAgent(call);
    throw modelNotFound(model);
  }

  #callModel(body: ChatRequest, caller: Caller, { id, traceparent }: AppRequest, reply: FastifyReply): Promise<void> {
    assertClientTools(body.tools);
    return streamTo(reply, async (signal) => withRequestId(await this.chats.call(body, caller, traceparent, signal), id));
  }

  /** Engines of the catalogue are agents, which run. */
  async #runAgent(call: AgentCall): Promise<void> {
    call.reply.send(await this.agents.complete(call));
  }

  async #submit(call: AgentCall): Promise<void> {
    call.reply.status(202).send(await this.agents.submit(call));
  }
}
