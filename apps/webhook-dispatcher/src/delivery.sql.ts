import { statement, type WorkTable } from '@nightshift/postgres';
import { LANE_LIMIT, LANE_TROUBLE, REMEMBER_LANES, TAKE_RATE } from './endpoint.sql.ts';

/** Deliveries as a table of work: a due delivery has an attempt to make. */
export const DELIVERIES: WorkTable = {
  name: 'webhooks.deliveries',
  id: 'id',
  columns: `t.org_id as "orgId", t.run_id as "runId", t.event, t.url, t.egress_allow as "egressAllow", t.body, t.attempt_count as "attemptCount", t.traceparent,
    t.subscription_id as "subscriptionId", t.schedule_from as "scheduleFrom",
    (select json_build_object('id', s.id, 'callbackUrl', s.callback_url, 'egressAllow', s.egress_allow, 'secret', s.secret, 'headers', s.headers, 'retrySeconds', s.retry_seconds, 'ordered', s.ordered,
       'previousSecret', case when s.previous_until > now() then s.previous_secret end) from webhooks.subscriptions s where s.id = t.subscription_id) as subscription`,
  laneLimit: LANE_LIMIT,
  laneTrouble: LANE_TROUBLE,
  ownersShare: true,
  onClaim: TAKE_RATE,
};

/**
 * Inserts deliveries that are due now; in order, since their run ended. A (run, target) that has one already is left alone,
 * and so is a subscription that is disabled or gone, but for tests of it. Returns the ids inserted.
 */
export const INSERT = statement(
  'webhooks.insert',
  `insert into webhooks.deliveries (id, org_id, run_id, target, subscription_id, event, endpoint, url, egress_allow, body, traceparent, lane, due_at)
   select x.id, x."orgId", x."runId", x.target, x."subscriptionId", x.event, x.endpoint, x.url, x."egressAllow", convert_to(x.body, 'UTF8'), x.traceparent, x.lane,
     case when s.ordered then least(now(), x."completedAt") else now() end
   from json_to_recordset($1::json) as x(id text, "orgId" text, "runId" text, target text, "subscriptionId" text, event text, endpoint text, url text,
     "egressAllow" json, body text, traceparent text, lane text, "completedAt" timestamptz)
   left join webhooks.subscriptions s on s.id = x."subscriptionId"
   where x."subscriptionId" is null or s.enabled or (s.id is not null and x."runId" is null)
   order by x."runId", x.target
   on conflict do nothing
   returning id`,
);

/** Which of the runs $1 have no delivery to the target beside them in $2. */
export const MISSING = statement(
  'webhooks.missing',
  `select r.id as "runId", r.target from unnest($1::text[], $2::text[]) as r(id, target)
   where not exists (select 1 from webhooks.deliveries d where d.run_id = r.id and d.target = r.target)`,
);

/**
 * Ends attempts whose epoch still holds: the delivery's new state, the attempt's record if one was made, and how its lane
 * fares. A subscription whose endpoint is gone is disabled. Where an order is kept a delivery keeps its place, and the lane
 * waits with it. Returns the deliveries written, and whether others of their lane are due.
 */
export const COMMIT = statement(
  'webhooks.commit',
  `with input as (
     select * from json_to_recordset($1::json) as x(id text, epoch int, status text, "delayMs" float8, "laneDelayMs" float8, "keepsPlace" boolean, gone boolean, "errorCode" text, "errorMessage" text, made boolean,
       "startedAt" timestamptz, "durationMs" int, "responseStatus" int, "requestHeaders" json, "responseHeaders" json, "responseBody" text)
   ), locked as (
     select d.id from webhooks.deliveries d join input i on i.id = d.id and i.epoch = d.epoch
     where d.status = 'pending' and d.lease_until is not null order by d.id for update of d
   ), written as (
     update webhooks.deliveries d set status = i.status, attempt_count = d.attempt_count + i.made::int,
       last_error_code = i."errorCode", last_error_message = i."errorMessage",
       delivered_at = case when i.status = 'delivered' then now() end,
       due_at = case when i.status <> 'pending' then null when i."keepsPlace" then d.due_at else now() + i."delayMs" * interval '1 ms' end, lease_until = null, attempts = 0
     from input i join locked l on l.id = i.id
     where d.id = i.id and d.epoch = i.epoch
     returning d.id, d.attempt_count, d.lane, d.subscription_id
   ), recorded as (
     insert into webhooks.attempts (delivery_id, number, started_at, duration_ms, status, error_code, request_headers, response_headers, response_body)
     select w.id, w.attempt_count, i."startedAt", i."durationMs", i."responseStatus", i."errorCode", i."requestHeaders", i."responseHeaders", i."responseBody"
     from written w join input i on i.id = w.id where i.made
   ), disabled as (
     update webhooks.subscriptions s set enabled = false, disabled_reason = 'gone', disabled_at = now(), updated_at = now(), notice_due = true
     from written w join input i on i.id = w.id where i.gone and s.id = w.subscription_id and s.enabled
   ), ${REMEMBER_LANES}
   select w.id, l.waits as "laneWaits" from written w join (
     select lane, exists (select from webhooks.deliveries o where o.pool = 'shared' and o.lane = lanes.lane and o.lease_until is null and o.due_at <= now()) as waits from lanes
   ) l on l.lane = w.lane`,
);

/** Deletes up to $2 deliveries that ended and were made more than $1 days ago, with their attempts; never one that a catch-up could make anew. */
export const FORGET = statement(
  'webhooks.forget',
  `with old as materialized (
     select id from webhooks.deliveries
     where status <> 'pending' and created_at < now() - greatest($1 * interval '1 day', interval '2 hours') order by created_at limit $2 for update skip locked
   ), attempts as (
     delete from webhooks.attempts a using old o where a.delivery_id = o.id
   )
   delete from webhooks.deliveries d using old o where d.id = o.id returning d.id`,
);
