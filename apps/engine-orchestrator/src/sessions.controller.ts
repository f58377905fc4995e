import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { AppError, CatchUpQuery, InternalCall, InternalOutcome, InternalRunIds, UsagePage, type RunOutcome, type SealedTool, type UsageRecorded } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { SessionStore } from './session.store.ts';
import { commandOf } from './turn.ts';

const PAGE = 1000;

/** What other services ask the engine for: bodies too large to travel, and usage they may have missed. */
@Controller('internal')
export class SessionsController {
  constructor(@Inject(SessionStore) private readonly sessions: SessionStore) {}

  @Get('sessions/:runId/outcome')
  @Returns(200, InternalOutcome)
  async outcome(@Param('runId') runId: string): Promise<{ outcome: RunOutcome }> {
    const [session] = await this.sessions.load([runId]);
    if (!session?.outcome) throw new AppError('not_found');
    return { outcome: session.outcome };
  }

  @Get('sessions/:runId/calls/:callId')
  @Returns(200, InternalCall)
  async call(@Param('runId') runId: string, @Param('callId') callId: string): Promise<{ tool: SealedTool; arguments: Record<string, unknown> }> {
    const [session] = await this.sessions.load([runId]);
    const command = session && commandOf(session, await this.sessions.journal(runId), callId);
    if (!command) throw new AppError('not_found');
    return { tool: command.tool, arguments: command.arguments };
  }

  /** Of runs that have ended nobody wants calls any more. */
  @Post('ended-sessions')
  @HttpCode(200)
  @Returns(200, InternalRunIds)
  async ended(@Body({ schema: InternalRunIds }) { runIds }: InternalRunIds): Promise<InternalRunIds> {
    return { runIds: await this.sessions.ended(runIds) };
  }

  @Get('usage')
  @Returns(200, UsagePage)
  usage(@Query({ schema: CatchUpQuery }) { sinceMs, cursor }: CatchUpQuery): Promise<{ events: UsageRecorded[]; nextCursor: string | null }> {
    return this.sessions.usageSince(sinceMs, cursor, PAGE);
  }
}
