import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AnyTool, SavedTool, SaveTool, TestTool, ToolList, ToolTest, UpdateTool } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import { newId } from '@nightshift/std';
import type { FastifyReply } from 'fastify';
import { idempotencyOf } from './admission.ts';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';
import { toSave, toUpdate } from './saved-tool.ts';
import { Settings } from './settings.ts';
import { ToolsClient } from './tools.client.ts';

/** The tools that runs can name: built-in ones, and those that the organisation has saved. */
@ApiTags('Tools')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/tools')
export class ToolsController {
  constructor(
    @Inject(ToolsClient) private readonly tools: ToolsClient,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get()
  @Needs('runs:read')
  @Answers(200, ToolList)
  list(@CallerOf() caller: Caller): Promise<ToolList> {
    return this.tools.list(caller.orgId);
  }

  @Post()
  @Needs('runs:write')
  @Answers(201, SavedTool)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'At most 255 characters. The same key and body within 24 hours give the first reply again.' })
  async save(@Body({ schema: SaveTool }) body: SaveTool, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<SavedTool> {
    const idempotency = idempotencyOf(request.headers['idempotency-key'], '/v1/tools', request.rawBody);
    const { tool, replayed } = await this.tools.save(toSave(body, newId('tool'), caller.orgId, idempotency, this.settings.sealPublicKey));
    if (replayed) reply.header('idempotency-replayed', 'true');
    return tool;
  }

  @Get(':toolId')
  @Needs('runs:read')
  @Answers(200, AnyTool)
  get(@Param('toolId') toolId: string, @CallerOf() caller: Caller): Promise<AnyTool> {
    return this.tools.get(toolId, caller.orgId);
  }

  @Patch(':toolId')
  @Needs('runs:write')
  @Answers(200, SavedTool)
  update(@Param('toolId') toolId: string, @Body({ schema: UpdateTool }) body: UpdateTool, @CallerOf() caller: Caller): Promise<SavedTool> {
    return this.tools.update(toolId, toUpdate(body, caller.orgId, this.settings.sealPublicKey));
  }

  @Delete(':toolId')
  @Needs('runs:write')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'It is gone. Runs that were created with it keep it.' })
  remove(@Param('toolId') toolId: string, @CallerOf() caller: Caller): Promise<void> {
    return this.tools.remove(toolId, caller.orgId);
  }

  @Post(':toolId/test')
  @Needs('runs:write')
  @Answers(200, ToolTest)
  test(@Param('toolId') toolId: string, @Body({ schema: TestTool }) body: TestTool, @CallerOf() caller: Caller): Promise<ToolTest> {
    return this.tools.test(toolId, { orgId: caller.orgId, callId: newId('call'), arguments: body.arguments, egressAllow: [...caller.egressAllow] }, caller.pool);
  }
}
