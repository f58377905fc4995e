import { Controller, Get, Inject, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { UsageQuery, UsageReport } from '@nightshift/contracts';
import { type InternalClient } from '@nightshift/http';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';

/** The injection token of the client of billing. */
export const BILLING_CLIENT = Symbol('client of billing');

/** What an organisation has used. */
@ApiTags('Usage')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/usage')
export class UsageController {
  constructor(@Inject(BILLING_CLIENT) private readonly billing: InternalClient) {}

  @Get()
  @Needs('usage:read')
  @Answers(200, UsageReport)
  report(@Query({ schema: UsageQuery }) query: UsageQuery, @CallerOf() caller: Caller): Promise<UsageReport> {
    return this.billing.call({ method: 'GET', path: `/internal/usage?${new URLSearchParams({ orgId: caller.orgId, ...query }).toString()}` }, UsageReport);
  }
}
