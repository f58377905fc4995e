import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { PoolList } from '@nightshift/contracts';
import { AdminGuard } from './admin.guard.ts';
import { Answers } from './answers.decorator.ts';
import { Pools } from './pools.client.ts';

/** Pools, for the operator. */
@ApiExcludeController()
@UseGuards(AdminGuard)
@Controller('admin/v1/pools')
export class PoolsController {
  constructor(@Inject(Pools) private readonly pools: Pools) {}

  @Get()
  @Answers(200, PoolList)
  async list(): Promise<PoolList> {
    return { pools: await this.pools.look() };
  }
}
