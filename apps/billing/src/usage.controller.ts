import { Controller, Get, Inject, Query } from '@nestjs/common';
import { OrgScope, TokensWait, TokensWaitQuery, UsageQuery, UsageReport } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { UsageStore } from './usage.store.ts';

/** Usage, for the gateway. */
@Controller('internal')
export class UsageController {
  constructor(@Inject(UsageStore) private readonly usage: UsageStore) {}

  @Get('usage')
  @Returns(200, UsageReport)
  report(@Query({ schema: OrgScope }) { orgId }: OrgScope, @Query({ schema: UsageQuery }) query: UsageQuery): Promise<UsageReport> {
    return this.usage.report(orgId, query);
  }

  @Get('usage/wait')
  @Returns(200, TokensWait)
  wait(@Query({ schema: TokensWaitQuery }) query: TokensWaitQuery): Promise<TokensWait> {
    return this.usage.tokensWait(query);
  }
}
