import { statement } from '@nightshift/postgres';

/** After as many failures in a row a lane is paused: for a part of the time that it has failed, in seconds. */
const FAILURES_MAX = 5;
const PAUSE_MIN = 1;
const PAUSE_MAX = 300;
const PAUSE_PART = 0.1;
/** Attempts that find out whether a pause was long enough: several, since one delivery may fail where others do not. */
const PROBES = 5;

// Seconds that a full bucket holds: workers look once a second.
const BURST = 'ceil(s.rate_per_minute / 60.0)';
const TOKENS = `greatest(0, floor(${BURST} - greatest(0, extract(epoch from e.rate_at - now())) * s.rate_per_minute / 60.0))`;

/**
 * How many deliveries of lane `l.lane` may be under way: none while its subscription is disabled or it is paused, a few to find
 * out whether a pause was long enough, one where an order is kept, half as many with each failure in a row, and no more than
 * its rate allows.
 */
export const LANE_LIMIT = `(select least(
    case
      when not coalesce(s.enabled, true) or coalesce(e.paused_until > now(), false) then 0
      when coalesce(s.ordered, false) then 1
      when coalesce(e.failures, 0) >= ${FAILURES_MAX} then least(${PROBES}, $5::int, coalesce(s.concurrency, $5::int))
      else greatest(1, least($5::int, coalesce(s.concurrency, $5::int)) >> coalesce(e.failures, 0))
    end, case when s.rate_per_minute is not null then l.held + ${TOKENS} end)::int
  from (values (1)) one(n) left join webhooks.subscriptions s on s.lane = l.lane left join webhooks.endpoints e on e.lane = l.lane)`;

/** Why none of lane `l.lane` may be under way: its subscription is disabled, or it is paused; null if it is neither. */
export const LANE_TROUBLE = `(select case when not s.enabled then 'disabled' when e.paused_until > now() then 'paused' end
  from (values (1)) one(n) left join webhooks.subscriptions s on s.lane = l.lane left join webhooks.endpoints e on e.lane = l.lane)`;

/** Takes what was claimed from the rates of its lanes. */
export const TAKE_RATE = `insert into webhooks.endpoints as e (lane, rate_at)
  select c.lane, now() + count(*) * interval '1 minute' / s.rate_per_minute from claimed c join webhooks.subscriptions s on s.lane = c.lane
  where s.rate_per_minute is not null group by c.lane, s.rate_per_minute order by c.lane
  on conflict (lane) do update set rate_at = greatest(e.rate_at, now()) + (excluded.rate_at - now())`;

const pause = (since: string): string => `now() + greatest(${PAUSE_MIN}, least(${PAUSE_MAX}, ${PAUSE_PART} * extract(epoch from now() - ${since}))) * (0.8 + 0.4 * random()) * interval '1 second'`;

/**
 * CTEs that remember how lanes fare: `written` are the deliveries whose attempts have ended, with their `input`. One success
 * makes a lane well; enough failures in a row pause it, and `laneDelayMs` does so at once. Attempts that were under way when a
 * pause began do not make it longer.
 */
export const REMEMBER_LANES = `lanes as (
     select w.lane, bool_or(i.made and i."errorCode" is null) as well, count(*) filter (where i.made and i."errorCode" is not null)::int as failed,
       now() + max(i."laneDelayMs") * interval '1 ms' as until
     from written w join input i on i.id = w.id group by w.lane
   ), well as (
     update webhooks.endpoints e set failures = 0, failing_since = null, failed_at = null, pauses = 0, paused_until = null
     from lanes l where l.well and e.lane = l.lane and (e.failures > 0 or e.paused_until is not null)
   ), troubled as (
     insert into webhooks.endpoints as e (lane, failures, failing_since, failed_at, pauses, paused_until)
     select lane, failed, case when failed > 0 then now() end, case when failed > 0 then now() end, (failed >= ${FAILURES_MAX})::int, greatest(until, case when failed >= ${FAILURES_MAX} then ${pause('now()')} end)
     from lanes where not well and (failed > 0 or until is not null) order by lane
     on conflict (lane) do update set
       failures = e.failures + excluded.failures,
       failing_since = coalesce(e.failing_since, excluded.failing_since),
       failed_at = coalesce(excluded.failed_at, e.failed_at),
       pauses = e.pauses + (e.failures + excluded.failures >= ${FAILURES_MAX} and coalesce(e.paused_until <= now(), true))::int,
       paused_until = greatest(e.paused_until, excluded.paused_until,
         case when e.failures + excluded.failures >= ${FAILURES_MAX} and coalesce(e.paused_until <= now(), true) then ${pause('coalesce(e.failing_since, now())')} end)
   )`;

/** Forgets how lane $1 has fared; its rate stays. */
export const REVIVE = statement('webhooks.revive_endpoint', 'update webhooks.endpoints set failures = 0, failing_since = null, failed_at = null, pauses = 0, paused_until = null where lane = $1');

/** Ends the pauses of the lanes $1; how they have fared is remembered, so that few attempts find out whether they are well. */
export const RESUME_LANES = statement(
  'webhooks.resume_lanes',
  `update webhooks.endpoints e set paused_until = null
   from (select lane from webhooks.endpoints where lane = any($1::text[]) and paused_until is not null order by lane for update) p where e.lane = p.lane`,
);

/** Disables up to $2 subscriptions whose attempts have failed over $1 days, every one. Returns them. */
export const DISABLE_FAILING = statement(
  'webhooks.disable_failing',
  `update webhooks.subscriptions s set enabled = false, disabled_reason = 'failing', disabled_at = now(), updated_at = now(), notice_due = true
   where s.id in (
     select f.id from webhooks.endpoints e join webhooks.subscriptions f on f.lane = e.lane
     where e.failing_since < now() - $1 * interval '1 day' and e.failed_at > e.failing_since + $1 * interval '1 day' and e.failures >= ${FAILURES_MAX} and f.enabled order by f.id limit $2 for update of f skip locked
   )
   returning s.id`,
);

/** Up to $1 subscriptions whose disabling is to be announced, locked until the transaction ends. */
export const TO_ANNOUNCE = statement(
  'webhooks.to_announce',
  `select s.id, s.org_id as "orgId", s.callback_url as "callbackUrl", s.disabled_reason as "disabledReason", s.disabled_at as "disabledAt"
   from webhooks.subscriptions s where s.notice_due order by s.id limit $1 for update skip locked`,
);

/** The enabled subscriptions of the organisations $1. */
export const OTHERS = statement('webhooks.others', `select s.id, s.org_id as "orgId", s.callback_url as "callbackUrl" from webhooks.subscriptions s where s.org_id = any($1::text[]) and s.enabled order by s.id`);

/** Notes that the disabling of the subscriptions $1 was announced. */
export const ANNOUNCED = statement('webhooks.announced', 'update webhooks.subscriptions set notice_due = false where id = any($1::text[])');

/** Ends up to $3 deliveries that nobody will attempt: of subscriptions disabled for longer than $1 days (canceled), of callbacks that have failed for longer than $2 days (dead). */
export const EXPIRE = statement(
  'webhooks.expire',
  `with old as (
     select d.id, 'canceled' as status from webhooks.subscriptions s join webhooks.deliveries d on d.subscription_id = s.id
     where not s.enabled and d.status = 'pending' and d.created_at < now() - $1 * interval '1 day' and d.lease_until is null
     union all
     select d.id, 'dead' from webhooks.endpoints e join webhooks.deliveries d on d.lane = e.lane and d.pool = 'shared'
     where e.failing_since < now() - $2 * interval '1 day' and d.subscription_id is null and d.due_at is not null and d.lease_until is null
       and d.created_at < now() - $2 * interval '1 day'
     limit $3
   )
   update webhooks.deliveries d set status = o.status, due_at = null,
     last_error_code = case when o.status = 'dead' then coalesce(d.last_error_code, 'endpoint_failing') else d.last_error_code end,
     last_error_message = case when o.status = 'dead' then coalesce(d.last_error_message, 'The endpoint failed for days, so this delivery was given up without an attempt.') else d.last_error_message end
   from old o where d.id = o.id and d.lease_until is null and d.status = 'pending' returning d.id`,
);

/** Deletes up to $2 lanes that are well, or that have failed for longer than $1 days and have nothing left to send. */
export const FORGET_ENDPOINTS = statement(
  'webhooks.forget_endpoints',
  `delete from webhooks.endpoints where lane in (
     select e.lane from webhooks.endpoints e
     where (e.failing_since is null and coalesce(greatest(e.paused_until, e.rate_at), '-infinity') < now() - interval '1 hour')
       or (e.failing_since < now() - $1 * interval '1 day'
         and not exists (select from webhooks.deliveries d where d.pool = 'shared' and d.lane = e.lane and d.lease_until is null and d.due_at is not null)
         and not exists (select from webhooks.subscriptions s where s.lane = e.lane))
     limit $2
   ) returning lane`,
);
