import type { DeliveryFilter } from '@nightshift/contracts';
import { type Statement, statement } from '@nightshift/postgres';

const COLUMNS = `d.id, d.subscription_id as "subscriptionId", d.run_id as "runId", d.event, d.endpoint, d.status, d.attempt_count as "attemptCount", d.created_at as "createdAt",
  case when coalesce(s.enabled, true) then greatest(d.due_at, e.paused_until) end as "nextAttemptAt", d.delivered_at as "deliveredAt",
  d.last_error_code as "errorCode", d.last_error_message as "errorMessage", d.traceparent`;
// A lane's pause says nothing of what is not awaited.
const FROM = `webhooks.deliveries d left join webhooks.subscriptions s on s.lane = d.lane and d.due_at is not null left join webhooks.endpoints e on e.lane = d.lane and d.due_at is not null`;

const CONDITIONS: Readonly<Record<keyof DeliveryFilter, (n: number) => string>> = {
  status: (n) => `d.status = $${n}`,
  subscriptionId: (n) => `d.subscription_id = $${n}`,
  runId: (n) => `d.run_id = $${n}`,
  errorCode: (n) => `d.last_error_code = $${n}`,
  from: (n) => `d.created_at >= $${n}`,
  to: (n) => `d.created_at < $${n}`,
};

/** The conditions of a filter on `d`, with their parameters after those given, and a name that the combination has to itself. */
function where(filter: DeliveryFilter, params: readonly unknown[]): { text: string; params: unknown[]; name: string } {
  const given = (Object.keys(CONDITIONS) as (keyof DeliveryFilter)[]).filter((key) => filter[key] !== undefined);
  const text = given.map((key, index) => ` and ${CONDITIONS[key](params.length + index + 1)}`).join('');
  return { text, params: [...params, ...given.map((key) => filter[key])], name: given.map((key) => `_${key.slice(0, 6).toLowerCase()}`).join('') };
}

/** A statement with its parameters. */
export type Query = readonly [Statement, unknown[]];

/** An organisation's deliveries, newest first, those before `before` if that is given. A statement for each combination of filters finds each its own index. */
export function listDeliveries(orgId: string, filter: DeliveryFilter, before: string | undefined, limit: number): Query {
  const { text, params, name } = where(filter, [orgId, limit, ...(before === undefined ? [] : [before])]);
  const page = before === undefined ? '' : ' and d.id < $3';
  return [statement(`webhooks.list${page === '' ? '' : '_more'}${name}`, `select ${COLUMNS} from ${FROM} where d.org_id = $1${page}${text} order by d.id desc limit $2`), params];
}

// What a subscription that is gone has left cannot be sent any more: nothing would sign it.
const SENDABLE = `(d.subscription_id is null or exists (select from webhooks.subscriptions o where o.id = d.subscription_id))`;
// Who waits already keeps its place where an order is kept.
const AGAIN = `status = 'pending', due_at = least(d.due_at, now()), delivered_at = null, schedule_from = d.attempt_count, attempts = 0`;

/** How many deliveries would be sent again. */
export function countSendable(orgId: string, filter: DeliveryFilter): Query {
  const { text, params, name } = where(filter, [orgId]);
  return [statement(`webhooks.count${name}`, `select count(*)::int as count from webhooks.deliveries d where d.org_id = $1${text} and d.lease_until is null and ${SENDABLE}`), params];
}

/** Makes up to $2 deliveries due again, those under way excepted; returns their lanes, one for each. */
export function redeliverMany(orgId: string, filter: DeliveryFilter, limit: number): Query {
  const { text, params, name } = where(filter, [orgId, limit]);
  return [
    statement(
      `webhooks.redeliver${name}`,
      `with wanted as (
         select d.id from webhooks.deliveries d where d.org_id = $1${text} and d.lease_until is null and ${SENDABLE} order by d.id limit $2 for update of d
       )
       update webhooks.deliveries d set ${AGAIN} from wanted w where d.id = w.id and d.lease_until is null returning d.lane`,
    ),
    params,
  ];
}

/** Makes the delivery $2 of organisation $1 due again, as with a new schedule, unless an attempt is under way; returns its lane. */
export const REDELIVER = statement('webhooks.redeliver_one', `update webhooks.deliveries d set ${AGAIN} where d.org_id = $1 and d.id = $2 and d.lease_until is null and ${SENDABLE} returning d.lane`);

/** One delivery, and whether it can be sent. */
export const FIND = statement('webhooks.find_delivery', `select ${COLUMNS}, ${SENDABLE} as sendable from ${FROM} where d.org_id = $1 and d.id = $2`);

/** One delivery with its body and all its attempts. */
export const FIND_WHOLE = statement(
  'webhooks.find_whole_delivery',
  `select ${COLUMNS}, d.body, coalesce((
     select json_agg(json_build_object('number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms, 'status', a.status, 'errorCode', a.error_code,
       'requestHeaders', a.request_headers, 'responseHeaders', a.response_headers, 'responseBody', a.response_body) order by a.number)
     from webhooks.attempts a where a.delivery_id = d.id), '[]') as attempts
   from ${FROM} where d.org_id = $1 and d.id = $2`,
);

// Ids sort by the millisecond that they were made in. Retries beyond three days are of no weight here.
const RECENT = `d.id > 'whd_' || lpad(to_hex((extract(epoch from now() - interval '3 days') * 1000)::bigint), 12, '0')`;
const REAL = `d.event not in ('canary', 'test')`;

/** How the endpoints of organisation $1 have fared in the last 24 hours, up to $2 of them; canaries and tests do not count. */
export const ENDPOINTS = statement(
  'webhooks.endpoint_statistics',
  `with recent as (
     select d.lane, d.subscription_id, max(d.endpoint) as endpoint, count(a.number)::int as attempts, count(a.number) filter (where a.error_code is null)::int as delivered,
       percentile_cont(0.5) within group (order by a.duration_ms) filter (where a.status is not null) as p50,
       percentile_cont(0.95) within group (order by a.duration_ms) filter (where a.status is not null) as p95
     from webhooks.deliveries d join webhooks.attempts a on a.delivery_id = d.id
     where d.org_id = $1 and ${RECENT} and ${REAL} and a.started_at > now() - interval '24 hours' group by d.lane, d.subscription_id
   ), waiting as (
     select d.lane, d.subscription_id, max(d.endpoint) as endpoint, count(*)::int as backlog, min(d.created_at) as oldest
     from webhooks.deliveries d where d.org_id = $1 and d.status = 'pending' and ${REAL} group by d.lane, d.subscription_id
   )
   select l.*, coalesce(e.failures, 0) as failures, case when e.paused_until > now() then e.paused_until end as "pausedUntil"
   from (
     select lane, coalesce(r.subscription_id, w.subscription_id) as "subscriptionId", coalesce(w.endpoint, r.endpoint) as endpoint, coalesce(r.attempts, 0) as attempts,
       coalesce(r.delivered, 0) as delivered, r.p50, r.p95, coalesce(w.backlog, 0) as backlog, w.oldest as "oldestWaitingAt"
     from recent r full join waiting w using (lane)
   ) l left join webhooks.endpoints e on e.lane = l.lane
   order by l.backlog desc, l.attempts desc, l.lane limit $2`,
);
