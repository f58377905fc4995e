import { Body, Controller, HttpCode, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CompletionRequest, TextCompletion } from '@nightshift/contracts';
import { type AppRequest, streamTo } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';
import { isPlainModel } from './catalogue.ts';
import { modelNotFound, withRequestId } from './chat.ts';
import { Settings } from './settings.ts';
import { TextCompletions } from './text-completions.client.ts';

/** Legacy completions of models that can be called plainly. */
@ApiTags('Chat')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/completions')
export class CompletionsController {
  constructor(
    @Inject(TextCompletions) private readonly completions: TextCompletions,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Post()
  @Needs('runs:write')
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: TextCompletion })
  create(@Body({ schema: CompletionRequest }) body: CompletionRequest, @CallerOf() caller: Caller, @Req() { id, traceparent }: AppRequest, @Res() reply: FastifyReply): Promise<void> {
    if (!isPlainModel(this.settings.catalogueOf(caller.pool), body.model)) throw modelNotFound(body.model);
    return streamTo(reply, async (signal) => withRequestId(await this.completions.answer(body, caller, traceparent, signal), id));
  }
}
