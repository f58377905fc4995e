import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { DeliveryDetail, DeliveryList, EndpointList, InternalListDeliveries, InternalRedeliver, InternalRedelivered, InternalRedeliveredMany, InternalRedeliverMany, OrgScope } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { DeliveryLoop } from './delivery.loop.ts';
import { DeliveryReader } from './delivery-reader.store.ts';

/** Webhook deliveries, for the gateway. */
@Controller('internal/webhooks')
export class DeliveriesController {
  constructor(
    @Inject(DeliveryReader) private readonly deliveries: DeliveryReader,
    @Inject(DeliveryLoop) private readonly loop: DeliveryLoop,
  ) {}

  @Get('deliveries')
  @Returns(200, DeliveryList)
  list(@Query({ schema: InternalListDeliveries }) query: InternalListDeliveries): Promise<DeliveryList> {
    return this.deliveries.list(query);
  }

  @Get('deliveries/:id')
  @Returns(200, DeliveryDetail)
  get(@Param('id') id: string, @Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<DeliveryDetail> {
    return this.deliveries.get(orgId, id);
  }

  @Post('deliveries/:id/redeliver')
  @Returns(200, InternalRedelivered)
  async redeliver(@Param('id') id: string, @Body({ schema: InternalRedeliver }) body: InternalRedeliver): Promise<InternalRedelivered> {
    const redelivered = await this.deliveries.redeliver(id, body);
    this.loop.expect(1);
    return redelivered;
  }

  @Post('redeliver')
  @Returns(200, InternalRedeliveredMany)
  async redeliverMany(@Body({ schema: InternalRedeliverMany }) body: InternalRedeliverMany): Promise<InternalRedeliveredMany> {
    const redelivered = await this.deliveries.redeliverMany(body);
    if (!body.dryRun) this.loop.expect(redelivered.count);
    return redelivered;
  }

  @Get('endpoints')
  @Returns(200, EndpointList)
  endpoints(@Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<EndpointList> {
    return this.deliveries.endpoints(orgId);
  }
}
