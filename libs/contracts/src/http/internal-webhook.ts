import { z } from 'zod';
import { RunFinished } from '../events/run-finished.ts';
import { Delivery, DeliveryCount, DeliveryFilter, ListDeliveries, Redeliver } from './delivery.ts';
import { CreateSubscription, RotateSecret, SendCanary, Subscription, UpdateSubscription } from './webhook.ts';

const Owner = { orgId: z.string(), egressAllow: z.array(z.string()).describe('CIDRs that the organisation may reach besides the operator’s.') };

/** gateway → webhook-dispatcher: a subscription to make. */
export const InternalCreateSubscription = z.object({
  id: z.string(),
  ...Owner,
  subscription: CreateSubscription,
  idempotency: z.object({ key: z.string(), bodyHash: z.string() }).optional(),
});
export type InternalCreateSubscription = z.infer<typeof InternalCreateSubscription>;

/** webhook-dispatcher → gateway: the subscription with its secret; `replayed` when an earlier request with the same key made it. */
export const InternalSubscriptionCreated = z.object({ subscription: Subscription, replayed: z.boolean() });
export type InternalSubscriptionCreated = z.infer<typeof InternalSubscriptionCreated>;

/** gateway → webhook-dispatcher: changes of a subscription. */
export const InternalUpdateSubscription = z.object({ ...Owner, changes: UpdateSubscription });
export type InternalUpdateSubscription = z.infer<typeof InternalUpdateSubscription>;

/** gateway → webhook-dispatcher: what the organisation may reach from now on. */
export const InternalSetEgress = z.object(Owner);
export type InternalSetEgress = z.infer<typeof InternalSetEgress>;

/** gateway → webhook-dispatcher: a new secret, made by the gateway so that the order may be repeated. */
export const InternalRotateSecret = RotateSecret.extend({ orgId: z.string(), secret: z.string() });
export type InternalRotateSecret = z.infer<typeof InternalRotateSecret>;

/** gateway → webhook-dispatcher: a delivery to try an endpoint with. */
export const InternalSendCanary = SendCanary.extend({ ...Owner, deliveryId: z.string(), traceparent: z.string() });
export type InternalSendCanary = z.infer<typeof InternalSendCanary>;

/** gateway → webhook-dispatcher: a delivery to try a subscription with. */
export const InternalTestSubscription = z.object({ orgId: z.string(), deliveryId: z.string(), traceparent: z.string() });
export type InternalTestSubscription = z.infer<typeof InternalTestSubscription>;

/** Query of deliveries read on behalf of an organisation. */
export const InternalListDeliveries = ListDeliveries.extend({ orgId: z.string() });
export type InternalListDeliveries = z.infer<typeof InternalListDeliveries>;

const RedeliveryOrder = z.object({ orgId: z.string(), idempotency: z.object({ key: z.string(), bodyHash: z.string() }).optional() });

/** gateway → webhook-dispatcher: send one delivery again. */
export const InternalRedeliver = RedeliveryOrder;
export type InternalRedeliver = z.infer<typeof InternalRedeliver>;

/** gateway → webhook-dispatcher: send deliveries again, or count them. */
export const InternalRedeliverMany = RedeliveryOrder.extend({ filter: DeliveryFilter, dryRun: Redeliver.shape.dryRun });
export type InternalRedeliverMany = z.infer<typeof InternalRedeliverMany>;

/** webhook-dispatcher → gateway: what a redelivery came to; `replayed` when an earlier request with the same key has done it. */
export const InternalRedelivered = z.object({ delivery: Delivery, replayed: z.boolean() });
export type InternalRedelivered = z.infer<typeof InternalRedelivered>;
export const InternalRedeliveredMany = DeliveryCount.extend({ replayed: z.boolean() });
export type InternalRedeliveredMany = z.infer<typeof InternalRedeliveredMany>;

/** webhook-dispatcher → runs: the whole announcements of runs whose events did not carry their bodies; unknown runs are left out. */
export const InternalFinishedRuns = z.object({ runIds: z.array(z.string()).max(64) });
export type InternalFinishedRuns = z.infer<typeof InternalFinishedRuns>;
export const InternalFinishedBodies = z.object({ events: z.array(RunFinished) });
