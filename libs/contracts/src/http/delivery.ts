import { z } from 'zod';
import { queryInteger } from './query-integer.ts';

/** pending: an attempt is due or awaited; dead: the last retry failed, or the endpoint is gone; canceled: its subscription does not want it any more. */
export const DeliveryStatus = z.enum(['pending', 'delivered', 'dead', 'canceled']).meta({ id: 'DeliveryStatus' });
export type DeliveryStatus = z.infer<typeof DeliveryStatus>;

/** One webhook to one target. */
export const Delivery = z
  .object({
    id: z.string(),
    subscriptionId: z.string().nullable().describe('null: a run’s own callbackUrl, or a canary.'),
    runId: z.string().nullable().describe('null: a canary, a test, or a notice.'),
    event: z.string(),
    endpoint: z.string().describe('Origin and path of the address.'),
    status: DeliveryStatus,
    attemptCount: z.number().int(),
    createdAt: z.iso.datetime(),
    nextAttemptAt: z.iso.datetime().nullable().describe('null: no further attempt, or not while the subscription is disabled.'),
    deliveredAt: z.iso.datetime().nullable(),
    lastError: z.object({ code: z.string(), message: z.string() }).nullable(),
    traceId: z.string(),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof Delivery>;

/** One attempt of a delivery. */
export const DeliveryAttempt = z
  .object({
    number: z.number().int(),
    startedAt: z.iso.datetime(),
    durationMs: z.number().int(),
    status: z.number().int().nullable().describe('The HTTP status; null when there was no answer.'),
    errorCode: z
      .enum(['http_status', 'redirect', 'timeout', 'dns_error', 'connection_refused', 'connection_reset', 'tls_error', 'address_blocked'])
      .nullable()
      .describe('null: it delivered.'),
    requestHeaders: z.record(z.string(), z.string()).describe('Without the values of the subscription’s own headers.'),
    responseHeaders: z.record(z.string(), z.string()),
    responseBody: z.string().describe('The first 4 KB.'),
    traceId: z.string(),
  })
  .meta({ id: 'DeliveryAttempt' });
export type DeliveryAttempt = z.infer<typeof DeliveryAttempt>;

/** Reply of GET /v1/webhooks/deliveries/{id}. */
export const DeliveryDetail = Delivery.extend({ payload: z.unknown().describe('What is sent.'), attempts: z.array(DeliveryAttempt) }).meta({ id: 'DeliveryDetail' });
export type DeliveryDetail = z.infer<typeof DeliveryDetail>;

const Time = z.iso.datetime({ offset: true });

/** Which deliveries are meant; what is absent excludes none. */
export const DeliveryFilter = z.object({
  status: DeliveryStatus.optional(),
  subscriptionId: z.string().max(128).optional(),
  runId: z.string().max(128).optional(),
  errorCode: z.string().max(64).optional().describe('Of the last attempt.'),
  from: Time.optional().describe('Made at or after.'),
  to: Time.optional().describe('Made before.'),
});
export type DeliveryFilter = z.infer<typeof DeliveryFilter>;

/** Query of GET /v1/webhooks/deliveries. */
export const ListDeliveries = DeliveryFilter.extend({ limit: queryInteger(1, 100).default(50), cursor: z.string().max(256).optional() });
export type ListDeliveries = z.infer<typeof ListDeliveries>;

/** Query of GET /v1/webhooks/dead-letters. */
export const ListDeadDeliveries = ListDeliveries.omit({ status: true });
export type ListDeadDeliveries = z.infer<typeof ListDeadDeliveries>;

/** Reply of GET /v1/webhooks/deliveries: newest first; `nextCursor` is null on the last page. */
export const DeliveryList = z.object({ deliveries: z.array(Delivery), nextCursor: z.string().nullable() }).meta({ id: 'DeliveryList' });
export type DeliveryList = z.infer<typeof DeliveryList>;

/** Body of POST /v1/webhooks/redeliver. */
export const Redeliver = z.object({ filter: DeliveryFilter, dryRun: z.boolean().default(false).describe('Only count.') }).meta({ id: 'Redeliver' });
export type Redeliver = z.infer<typeof Redeliver>;

/** How many deliveries are sent again, or would be. */
export const DeliveryCount = z.object({ count: z.number().int() }).meta({ id: 'DeliveryCount' });
export type DeliveryCount = z.infer<typeof DeliveryCount>;

/** How one endpoint has fared in the last 24 hours. */
export const EndpointStatistics = z
  .object({
    subscriptionId: z.string().nullable(),
    endpoint: z.string(),
    attempts: z.number().int(),
    successRate: z.number().nullable().describe('Attempts that delivered, 0 to 1; null without any.'),
    latencyMs: z.object({ p50: z.number(), p95: z.number() }).nullable().describe('Of the attempts that were answered.'),
    backlog: z.number().int().describe('Deliveries that wait, whenever they were made.'),
    oldestWaitingAt: z.iso.datetime().nullable(),
    failures: z.number().int().describe('Failed attempts since the last that delivered.'),
    pausedUntil: z.iso.datetime().nullable().describe('Left alone until then, because it fails or asks for it.'),
  })
  .meta({ id: 'EndpointStatistics' });
export type EndpointStatistics = z.infer<typeof EndpointStatistics>;

/** Reply of GET /v1/webhooks/endpoints: the largest backlogs first, at most 100. */
export const EndpointList = z.object({ endpoints: z.array(EndpointStatistics) }).meta({ id: 'EndpointList' });
export type EndpointList = z.infer<typeof EndpointList>;
