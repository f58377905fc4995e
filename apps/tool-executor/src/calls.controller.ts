import { Controller, Get, Inject, Param } from '@nestjs/common';
import { InternalToolResult, type ToolResult } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { CallStore } from './call.store.ts';

/** Results too large to travel, for the engine. */
@Controller('internal')
export class CallsController {
  constructor(@Inject(CallStore) private readonly calls: CallStore) {}

  @Get('calls/:id/result')
  @Returns(200, InternalToolResult)
  async result(@Param('id') id: string): Promise<{ result: ToolResult }> {
    return { result: await this.calls.result(id) };
  }
}
