import { AppError, type Delivery as View, type DeliveryAttempt, type DeliveryDetail, type EndpointStatistics } from '@nightshift/contracts';

/** A delivery as a reader finds it. */
export interface DeliveryRow {
  readonly id: string;
  readonly subscriptionId: string | null;
  readonly runId: string | null;
  readonly event: string;
  readonly endpoint: string;
  readonly status: View['status'];
  readonly attemptCount: number;
  readonly createdAt: Date;
  readonly nextAttemptAt: Date | null;
  readonly deliveredAt: Date | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly traceparent: string;
}

/** The same with what was sent and what came back. */
export interface WholeDeliveryRow extends DeliveryRow {
  readonly body: Buffer;
  readonly attempts: readonly AttemptRow[];
}

/** An attempt as a reader finds it. */
export type AttemptRow = Omit<DeliveryAttempt, 'traceId'>;

/** How an endpoint fares, as a reader finds it. */
export interface EndpointRow {
  readonly subscriptionId: string | null;
  readonly endpoint: string;
  readonly attempts: number;
  readonly delivered: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly backlog: number;
  readonly oldestWaitingAt: Date | null;
  readonly failures: number;
  readonly pausedUntil: Date | null;
}

/** A delivery as it is shown. */
export function deliveryView(row: DeliveryRow): View {
  const { id, subscriptionId, runId, event, endpoint, status, attemptCount, createdAt, nextAttemptAt, deliveredAt, errorCode, errorMessage, traceparent } = row;
  return {
    id,
    subscriptionId,
    runId,
    event,
    endpoint,
    status,
    attemptCount,
    createdAt: createdAt.toISOString(),
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    deliveredAt: deliveredAt?.toISOString() ?? null,
    lastError: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
    traceId: traceIdOf(traceparent),
  };
}

/** A delivery as it is shown with its attempts, which belong to its run's trace. */
export function detailView(row: WholeDeliveryRow): DeliveryDetail {
  const traceId = traceIdOf(row.traceparent);
  return { ...deliveryView(row), payload: JSON.parse(row.body.toString('utf8')) as unknown, attempts: row.attempts.map((attempt) => ({ ...attempt, startedAt: new Date(attempt.startedAt).toISOString(), traceId })) };
}

/** How an endpoint fares, as it is shown. */
export function endpointView({ subscriptionId, endpoint, attempts, delivered, p50, p95, backlog, oldestWaitingAt, failures, pausedUntil }: EndpointRow): EndpointStatistics {
  return {
    subscriptionId,
    endpoint,
    attempts,
    successRate: attempts === 0 ? null : delivered / attempts,
    latencyMs: p50 === null || p95 === null ? null : { p50, p95 },
    backlog,
    oldestWaitingAt: oldestWaitingAt?.toISOString() ?? null,
    failures,
    pausedUntil: pausedUntil?.toISOString() ?? null,
  };
}

const DELIVERY_ID = /^whd_[0-9a-f]{32}$/;

/** A cursor that begins a page after the delivery. */
export function cursorOf(id: string): string {
  return Buffer.from(id).toString('base64url');
}

/** The delivery that a cursor stands for; `invalid_request` for what is none. */
export function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('utf8');
  if (DELIVERY_ID.test(id)) return id;
  const problem = 'is not one that this server gave';
  throw new AppError('invalid_request', { message: `cursor: ${problem}`, details: { fields: { cursor: problem } } });
}

function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}
