import { z } from 'zod';

/** How runs' ends are called. `job.completed` is an older name of `job.succeeded`, and stays for whoever subscribes by it. */
export const WebhookEventType = z.enum(['job.succeeded', 'job.failed', 'job.canceled', 'job.completed']);
export type WebhookEventType = z.infer<typeof WebhookEventType>;

const CallbackUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2048, { error: 'must be at most 2048 characters' });
const Secret = z.string().min(8).max(256);
const Description = z.string().max(512);
const EventTypes = z.array(WebhookEventType).min(1).max(16);
const Scalar = z.union([z.string().max(512), z.number(), z.boolean(), z.null()]);

/** Which runs a subscription hears of; what is absent excludes none. */
export const WebhookFilters = z
  .object({
    engines: z.array(z.string().min(1).max(128)).min(1).max(32).optional().describe('Engines as the runs name them.'),
    metadata: z.record(z.string().min(1).max(128), Scalar).optional().describe('Top-level keys of a run’s metadata with the values that they must have.'),
  })
  .meta({ id: 'WebhookFilters' });
export type WebhookFilters = z.infer<typeof WebhookFilters>;

const Headers = z.record(z.string().min(1).max(128), z.string().max(2048)).refine((headers) => Object.keys(headers).length <= 20, { error: 'at most 20 headers' });

const Limits = {
  retrySeconds: z.array(z.number().min(0).max(86_400)).max(20).nullish().describe('Delays between attempts, one per retry; null: the server’s.'),
  ratePerMinute: z.number().int().min(1).max(100_000).nullish().describe('Attempts a minute; null: no limit.'),
  concurrency: z.number().int().min(1).max(100).nullish().describe('Attempts at a time, at most the server’s; null: the server’s.'),
  ordered: z.boolean().optional().describe('One attempt at a time, in the order in which the runs ended.'),
};

/** Body of POST /v1/webhooks/subscriptions. */
export const CreateSubscription = z
  .object({
    callbackUrl: CallbackUrl,
    eventTypes: EventTypes,
    secret: Secret.nullish().describe('Signs deliveries; without one they are not signed.'),
    description: Description.nullish(),
    enabled: z.boolean().default(true),
    filters: WebhookFilters.nullish(),
    headers: Headers.nullish().describe('Sent with each delivery; stored encrypted and never shown.'),
    ...Limits,
    version: z.literal(1).default(1).describe('The payload’s version.'),
  })
  .meta({ id: 'CreateSubscription' });
export type CreateSubscription = z.infer<typeof CreateSubscription>;

/** Body of PATCH /v1/webhooks/subscriptions/{id}: what is given is replaced, null removes. */
export const UpdateSubscription = z
  .object({
    callbackUrl: CallbackUrl.optional(),
    eventTypes: EventTypes.optional(),
    secret: Secret.nullish(),
    description: Description.nullish(),
    enabled: z.boolean().optional(),
    backlog: z.enum(['resume', 'discard']).optional().describe('With `enabled: true`: whether deliveries that wait since it was disabled are sent (the default) or canceled.'),
    filters: WebhookFilters.nullish(),
    headers: Headers.nullish(),
    ...Limits,
    version: z.literal(1).optional(),
  })
  .refine(({ backlog, enabled }) => backlog === undefined || enabled === true, { error: 'goes with enabled: true', path: ['backlog'] })
  .meta({ id: 'UpdateSubscription' });
export type UpdateSubscription = z.infer<typeof UpdateSubscription>;

/** A subscription as it is shown. */
export const Subscription = z
  .object({
    id: z.string(),
    orgId: z.string(),
    callbackUrl: z.string(),
    eventTypes: z.array(WebhookEventType),
    secret: z.string().nullable().describe('Whole in the reply that makes it, masked in all others; null: deliveries are not signed.'),
    description: z.string().nullable(),
    enabled: z.boolean(),
    disabledReason: z.enum(['by_request', 'gone', 'failing']).nullable().describe('gone: the endpoint answered 410; failing: it failed for days.'),
    disabledAt: z.iso.datetime().nullable(),
    filters: WebhookFilters,
    headerNames: z.array(z.string()),
    retrySeconds: z.array(z.number()).nullable(),
    ratePerMinute: z.number().int().nullable(),
    concurrency: z.number().int().nullable(),
    ordered: z.boolean(),
    version: z.number().int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Subscription' });
export type Subscription = z.infer<typeof Subscription>;

/** Reply of GET /v1/webhooks/subscriptions: oldest first. */
export const SubscriptionList = z.object({ subscriptions: z.array(Subscription) }).meta({ id: 'SubscriptionList' });
export type SubscriptionList = z.infer<typeof SubscriptionList>;

/** Body of POST /v1/webhooks/subscriptions/{id}/rotate-secret. */
export const RotateSecret = z.object({ graceSeconds: z.number().int().min(0).max(604_800).default(86_400).describe('How long the old secret goes on signing as well.') }).meta({ id: 'RotateSecret' });
export type RotateSecret = z.infer<typeof RotateSecret>;

/** Body of POST /v1/webhooks/canary. */
export const SendCanary = z.object({ callbackUrl: CallbackUrl }).meta({ id: 'SendCanary' });
export type SendCanary = z.infer<typeof SendCanary>;

/** Reply of a canary and of a subscription’s test: the delivery that was made, and what it carries. */
export const CanarySent = z
  .object({
    deliveryId: z.string(),
    callbackUrl: z.string(),
    status: z.literal('queued'),
    payload: z.object({ kind: z.enum(['canary', 'test']), ts: z.iso.datetime(), orgId: z.string() }),
  })
  .meta({ id: 'CanarySent' });
export type CanarySent = z.infer<typeof CanarySent>;
