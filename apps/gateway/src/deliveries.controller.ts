import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Delivery, DeliveryCount, DeliveryDetail, DeliveryList, EndpointList, ListDeadDeliveries, ListDeliveries, Redeliver } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { idempotencyOf } from './admission.ts';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';
import { DeliveriesClient } from './deliveries.client.ts';

const KEY = { name: 'Idempotency-Key', required: false, description: 'At most 255 characters. The same key and body within 24 hours give the first reply again.' };

/** What became of an organisation's webhooks. */
@ApiTags('Webhooks')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/webhooks')
export class DeliveriesController {
  constructor(@Inject(DeliveriesClient) private readonly deliveries: DeliveriesClient) {}

  @Get('deliveries')
  @Needs('runs:read')
  @Answers(200, DeliveryList)
  list(@Query({ schema: ListDeliveries }) query: ListDeliveries, @CallerOf() caller: Caller): Promise<DeliveryList> {
    return this.deliveries.list(caller.orgId, query);
  }

  @Get('deliveries/:deliveryId')
  @Needs('runs:read')
  @Answers(200, DeliveryDetail)
  get(@Param('deliveryId') id: string, @CallerOf() caller: Caller): Promise<DeliveryDetail> {
    return this.deliveries.get(id, caller.orgId);
  }

  @Post('deliveries/:deliveryId/redeliver')
  @Needs('runs:write')
  @Answers(202, Delivery)
  @ApiHeader(KEY)
  async redeliver(@Param('deliveryId') id: string, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Delivery> {
    const { delivery, replayed } = await this.deliveries.redeliver(id, { orgId: caller.orgId, ...keyOf(request) });
    if (replayed) reply.header('idempotency-replayed', 'true');
    return delivery;
  }

  @Post('redeliver')
  @Needs('runs:write')
  @Answers(202, DeliveryCount)
  @ApiHeader(KEY)
  @ApiResponse({ status: 200, standardSchema: DeliveryCount, description: 'With `dryRun`: how many there are.' })
  async redeliverMany(@Body({ schema: Redeliver }) { filter, dryRun }: Redeliver, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<DeliveryCount> {
    const { replayed, ...count } = await this.deliveries.redeliverMany({ orgId: caller.orgId, filter, dryRun, ...keyOf(request) });
    if (replayed) reply.header('idempotency-replayed', 'true');
    reply.status(dryRun ? 200 : 202);
    return count;
  }

  @Get('dead-letters')
  @Needs('runs:read')
  @Answers(200, DeliveryList)
  deadLetters(@Query({ schema: ListDeadDeliveries }) query: ListDeadDeliveries, @CallerOf() caller: Caller): Promise<DeliveryList> {
    return this.deliveries.list(caller.orgId, { ...query, status: 'dead' });
  }

  @Get('endpoints')
  @Needs('runs:read')
  @Answers(200, EndpointList)
  endpoints(@CallerOf() caller: Caller): Promise<EndpointList> {
    return this.deliveries.endpoints(caller.orgId);
  }
}

function keyOf({ headers, url, rawBody }: AppRequest): { idempotency?: { key: string; bodyHash: string } } {
  const idempotency = idempotencyOf(headers['idempotency-key'], url, rawBody);
  return idempotency ? { idempotency: { key: idempotency.key, bodyHash: idempotency.bodyHash } } : {};
}
