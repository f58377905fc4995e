import { Body, Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { InternalChat } from '@nightshift/contracts';
import { type AppRequest, streamTo } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { Chats } from './chats.client.ts';

/** Plain model calls, for the gateway. */
@Controller('internal/chats')
export class ChatsController {
  constructor(@Inject(Chats) private readonly chats: Chats) {}

  @Post()
  @HttpCode(200)
  create(@Body({ schema: InternalChat }) call: InternalChat, @Req() { traceparent }: AppRequest, @Res() reply: FastifyReply): Promise<void> {
    return streamTo(reply, (signal) => this.chats.answer(call, traceparent, signal));
  }
}
