import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AppError, CanarySent, CreateSubscription, RotateSecret, SendCanary, Subscription, SubscriptionList, UpdateSubscription } from '@nightshift/contracts';
import { type AppRequest, sanitizeHeaders } from '@nightshift/http';
import { cleanJson, newId } from '@nightshift/std';
import type { FastifyReply } from 'fastify';
import { idempotencyOf } from './admission.ts';
import { Answers } from './answers.decorator.ts';
import type { Caller } from './api-key.ts';
import { AuthGuard, CallerOf, Needs } from './auth.guard.ts';
import { assertCallbackUrl, assertShownUrl } from './callback-url.guard.ts';
import { OrgStore } from './org.store.ts';
import { Settings } from './settings.ts';
import { reservedNames } from './webhook-header.ts';
import { WebhooksClient } from './webhooks.client.ts';

/** Who is told of the ends of an organisation's runs. */
@ApiTags('Webhooks')
@ApiBearerAuth()
@UseGuards(AuthGuard)
@Controller('v1/webhooks')
export class SubscriptionsController {
  constructor(
    @Inject(WebhooksClient) private readonly webhooks: WebhooksClient,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(OrgStore) private readonly orgs: OrgStore,
  ) {}

  @Post('subscriptions')
  @Needs('runs:write')
  @Answers(201, Subscription)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'At most 255 characters. The same key and body within 24 hours give the first reply again, with the secret.' })
  async create(@Body({ schema: CreateSubscription }) body: CreateSubscription, @CallerOf() caller: Caller, @Req() request: AppRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Subscription> {
    const idempotency = idempotencyOf(request.headers['idempotency-key'], '/v1/webhooks/subscriptions', request.rawBody);
    assertShownUrl('callbackUrl', body.callbackUrl, this.#allowed(caller));
    const { subscription, replayed } = await this.webhooks.create({
      id: newId('whs'),
      orgId: caller.orgId,
      egressAllow: await this.#rangesOf(caller),
      subscription: cleanJson({ ...body, headers: checkedHeaders(body.headers) }) as CreateSubscription,
      ...(idempotency && { idempotency: { key: idempotency.key, bodyHash: idempotency.bodyHash } }),
    });
    if (replayed) reply.header('idempotency-replayed', 'true');
    return subscription;
  }

  @Get('subscriptions')
  @Needs('runs:read')
  @Answers(200, SubscriptionList)
  list(@CallerOf() caller: Caller): Promise<SubscriptionList> {
    return this.webhooks.list(caller.orgId);
  }

  @Get('subscriptions/:subscriptionId')
  @Needs('runs:read')
  @Answers(200, Subscription)
  get(@Param('subscriptionId') id: string, @CallerOf() caller: Caller): Promise<Subscription> {
    return this.webhooks.get(id, caller.orgId);
  }

  @Patch('subscriptions/:subscriptionId')
  @Needs('runs:write')
  @Answers(200, Subscription)
  async update(@Param('subscriptionId') id: string, @Body({ schema: UpdateSubscription }) body: UpdateSubscription, @CallerOf() caller: Caller): Promise<Subscription> {
    if (body.callbackUrl !== undefined) assertShownUrl('callbackUrl', body.callbackUrl, this.#allowed(caller));
    const changes = cleanJson({ ...body, headers: checkedHeaders(body.headers) }) as UpdateSubscription;
    return this.webhooks.update(id, { orgId: caller.orgId, egressAllow: await this.#rangesOf(caller), changes });
  }

  @Delete('subscriptions/:subscriptionId')
  @Needs('runs:write')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'It is gone; what waited for it is canceled.' })
  remove(@Param('subscriptionId') id: string, @CallerOf() caller: Caller): Promise<void> {
    return this.webhooks.remove(id, caller.orgId);
  }

  @Post('subscriptions/:subscriptionId/rotate-secret')
  @Needs('runs:write')
  @Answers(200, Subscription)
  rotateSecret(@Param('subscriptionId') id: string, @Body({ schema: RotateSecret.prefault({}) }) { graceSeconds }: RotateSecret, @CallerOf() caller: Caller): Promise<Subscription> {
    return this.webhooks.rotateSecret(id, { orgId: caller.orgId, graceSeconds, secret: `whsec_${randomBytes(32).toString('base64')}` });
  }

  @Post('subscriptions/:subscriptionId/test')
  @Needs('runs:write')
  @Answers(202, CanarySent)
  test(@Param('subscriptionId') id: string, @CallerOf() caller: Caller, @Req() { traceparent }: AppRequest): Promise<CanarySent> {
    return this.webhooks.test(id, { orgId: caller.orgId, deliveryId: newId('whd'), traceparent });
  }

  @Post('canary')
  @Needs('runs:write')
  @Answers(202, CanarySent)
  canary(@Body({ schema: SendCanary }) { callbackUrl }: SendCanary, @CallerOf() caller: Caller, @Req() { traceparent }: AppRequest): Promise<CanarySent> {
    assertCallbackUrl('callbackUrl', callbackUrl, this.#allowed(caller));
    return this.webhooks.canary({ orgId: caller.orgId, deliveryId: newId('whd'), callbackUrl, egressAllow: [...caller.egressAllow], traceparent });
  }

  /** As the organisation has them now: a subscription keeps them for longer than the caller is remembered. */
  async #rangesOf({ orgId }: Caller): Promise<string[]> {
    return (await this.orgs.get(orgId)).egressAllow;
  }

  #allowed(caller: Caller): string[] {
    return [...this.settings.egressAllow, ...caller.egressAllow];
  }
}

/** Headers as they may be sent; `invalid_request` that names those that may not. */
function checkedHeaders(given: Record<string, string> | null | undefined): Record<string, string> | null | undefined {
  if (!given) return given;
  const { headers, refused } = sanitizeHeaders(given);
  const bad = [...refused, ...reservedNames(Object.keys(headers))];
  if (bad.length === 0) return headers;
  const problem = `may not be set, or are not valid HTTP: ${bad.join(', ')}`;
  throw new AppError('invalid_request', { message: `headers: ${problem}`, details: { fields: { headers: problem } } });
}
