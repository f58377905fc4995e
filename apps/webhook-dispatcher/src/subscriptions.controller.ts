import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { CanarySent, InternalCreateSubscription, InternalRotateSecret, InternalSendCanary, InternalSetEgress, InternalSubscriptionCreated, InternalTestSubscription, InternalUpdateSubscription, OrgScope, Subscription, SubscriptionList } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { Canaries } from './canary.store.ts';
import { DeliveryLoop } from './delivery.loop.ts';
import { viewOf } from './subscription.ts';
import { SubscriptionStore } from './subscription.store.ts';
import { Subscribers } from './subscribers.store.ts';

/** Webhook subscriptions, for the gateway. */
@Controller('internal/webhooks')
export class SubscriptionsController {
  constructor(
    @Inject(SubscriptionStore) private readonly subscriptions: SubscriptionStore,
    @Inject(Subscribers) private readonly subscribers: Subscribers,
    @Inject(Canaries) private readonly canaries: Canaries,
    @Inject(DeliveryLoop) private readonly loop: DeliveryLoop,
  ) {}

  @Post('subscriptions')
  @Returns(200, InternalSubscriptionCreated)
  async create(@Body({ schema: InternalCreateSubscription }) body: InternalCreateSubscription): Promise<InternalSubscriptionCreated> {
    const { subscription, secret, replayed } = await this.subscriptions.create(body);
    this.subscribers.changed(body.orgId);
    return { subscription: viewOf(subscription, secret), replayed };
  }

  @Get('subscriptions')
  @Returns(200, SubscriptionList)
  async list(@Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<SubscriptionList> {
    return { subscriptions: (await this.subscriptions.list(orgId)).map((subscription) => viewOf(subscription)) };
  }

  @Get('subscriptions/:id')
  @Returns(200, Subscription)
  async get(@Param('id') id: string, @Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<Subscription> {
    return viewOf(await this.subscriptions.get(orgId, id));
  }

  @Patch('subscriptions/:id')
  @Returns(200, Subscription)
  async update(@Param('id') id: string, @Body({ schema: InternalUpdateSubscription }) body: InternalUpdateSubscription): Promise<Subscription> {
    const subscription = await this.subscriptions.update(id, body);
    this.subscribers.changed(body.orgId);
    this.loop.expect(0);
    return viewOf(subscription);
  }

  @Delete('subscriptions/:id')
  @HttpCode(204)
  async remove(@Param('id') id: string, @Query({ schema: OrgScope }) { orgId }: OrgScope): Promise<void> {
    await this.subscriptions.remove(orgId, id);
    this.subscribers.changed(orgId);
  }

  @Post('egress')
  @HttpCode(204)
  setEgress(@Body({ schema: InternalSetEgress }) { orgId, egressAllow }: InternalSetEgress): Promise<void> {
    return this.subscriptions.setEgress(orgId, egressAllow);
  }

  @Post('subscriptions/:id/rotate-secret')
  @Returns(200, Subscription)
  async rotate(@Param('id') id: string, @Body({ schema: InternalRotateSecret }) body: InternalRotateSecret): Promise<Subscription> {
    const { subscription, secret } = await this.subscriptions.rotate(id, body);
    return viewOf(subscription, secret);
  }

  @Post('subscriptions/:id/test')
  @Returns(200, CanarySent)
  test(@Param('id') id: string, @Body({ schema: InternalTestSubscription }) body: InternalTestSubscription): Promise<CanarySent> {
    return this.canaries.test(id, body);
  }

  @Post('canary')
  @Returns(200, CanarySent)
  canary(@Body({ schema: InternalSendCanary }) body: InternalSendCanary): Promise<CanarySent> {
    return this.canaries.send(body);
  }
}
