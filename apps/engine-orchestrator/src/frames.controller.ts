import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { FrameHeads, FrameHeadsQuery, FramesPage, FramesQuery } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { FrameStore } from './frame.store.ts';

/** The stored frames of runs, for those who show them. */
@Controller('internal')
export class FramesController {
  constructor(@Inject(FrameStore) private readonly frames: FrameStore) {}

  @Get('runs/:runId/frames')
  @Returns(200, FramesPage)
  page(@Param('runId') runId: string, @Query({ schema: FramesQuery }) { after }: FramesQuery): Promise<FramesPage> {
    return this.frames.page(runId, after);
  }

  @Post('frame-heads')
  @HttpCode(200)
  @Returns(200, FrameHeads)
  heads(@Body({ schema: FrameHeadsQuery }) { runIds }: FrameHeadsQuery): Promise<FrameHeads> {
    return this.frames.heads(runIds);
  }
}
