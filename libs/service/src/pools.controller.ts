import { Controller, Get, Inject } from '@nestjs/common';
import { InternalPools } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { ServedPools } from './served-pools.ts';

/** The pools of one service, for the operator's API of the gateway. */
@Controller('internal/pools')
export class PoolsController {
  constructor(@Inject(ServedPools) private readonly pools: ServedPools) {}

  @Get()
  @Returns(200, InternalPools)
  async list(): Promise<InternalPools> {
    return { pools: await this.pools.list() };
  }
}
