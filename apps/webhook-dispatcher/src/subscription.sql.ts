import { statement } from '@nightshift/postgres';

const COLUMNS = `s.id, s.org_id as "orgId", s.callback_url as "callbackUrl", s.egress_allow as "egressAllow", s.event_types as "eventTypes", s.filters, s.secret,
  s.previous_secret as "previousSecret", s.previous_until as "previousUntil", s.headers, s.header_names as "headerNames", s.description, s.enabled,
  s.disabled_reason as "disabledReason", s.disabled_at as "disabledAt", s.active_since as "activeSince", s.retry_seconds as "retrySeconds",
  s.rate_per_minute as "ratePerMinute", s.concurrency, s.ordered, s.version, s.created_at as "createdAt", s.updated_at as "updatedAt"`;

const FIELDS = `id text, "orgId" text, "callbackUrl" text, "egressAllow" json, "eventTypes" json, filters json, secret text, "previousSecret" text, "previousUntil" timestamptz,
  headers text, "headerNames" json, description text, enabled boolean, "disabledReason" text, "disabledAt" timestamptz, "activeSince" timestamptz, "retrySeconds" json,
  "ratePerMinute" int, concurrency int, ordered boolean, version int`;

/**
 * Makes a subscription with its idempotency key ($2, null: none; $3 the hash of the body), unless its organisation has $4 of
 * them; a key older than a day is taken over. Returns the subscription if it was written.
 */
export const CREATE = statement(
  'webhooks.create_subscription',
  `with input as (
     select * from json_to_record($1::json) as x(${FIELDS}) where (select count(*) from webhooks.subscriptions s where s.org_id = x."orgId") < $4
   ), keys as (
     insert into webhooks.idempotency_keys as k (org_id, route, key, body_hash, reply)
     select "orgId", '/v1/webhooks/subscriptions', $2, $3, $1::jsonb || jsonb_build_object('createdAt', now()) from input where $2::text is not null
     on conflict (org_id, route, key) do update set body_hash = excluded.body_hash, reply = excluded.reply, created_at = now()
       where k.created_at < now() - interval '24 hours'
     returning k.key
   )
   insert into webhooks.subscriptions as s (id, org_id, callback_url, egress_allow, event_types, filters, secret, headers, header_names, description, enabled,
     disabled_reason, disabled_at, retry_seconds, rate_per_minute, concurrency, ordered, version)
   select id, "orgId", "callbackUrl", "egressAllow", "eventTypes", filters, secret, headers, "headerNames", description, enabled,
     "disabledReason", case when not enabled then now() end, "retrySeconds", "ratePerMinute", concurrency, ordered, version
   from input where $2::text is null or exists (select from keys)
   on conflict (id) do nothing
   returning ${COLUMNS}`,
);

/** An organisation's subscriptions, oldest first. */
export const LIST = statement('webhooks.list_subscriptions', `select ${COLUMNS} from webhooks.subscriptions s where s.org_id = $1 order by s.id`);

/** One subscription of an organisation. */
export const FIND = statement('webhooks.find_subscription', `select ${COLUMNS} from webhooks.subscriptions s where s.org_id = $1 and s.id = $2`);

/** The same, locked until the transaction ends, with the time. */
export const LOCK = statement('webhooks.lock_subscription', `select ${COLUMNS}, now() as now from webhooks.subscriptions s where s.org_id = $1 and s.id = $2 for update`);

/** Writes a changed subscription. */
export const UPDATE = statement(
  'webhooks.update_subscription',
  `update webhooks.subscriptions s set callback_url = x."callbackUrl", egress_allow = x."egressAllow", event_types = x."eventTypes", filters = x.filters, secret = x.secret,
     previous_secret = x."previousSecret", previous_until = x."previousUntil", headers = x.headers, header_names = x."headerNames", description = x.description,
     enabled = x.enabled, disabled_reason = x."disabledReason", disabled_at = x."disabledAt", active_since = x."activeSince", retry_seconds = x."retrySeconds",
     rate_per_minute = x."ratePerMinute", concurrency = x.concurrency, ordered = x.ordered, version = x.version, updated_at = now()
   from json_to_record($1::json) as x(${FIELDS}) where s.id = x.id
   returning ${COLUMNS}`,
);

/** Gives all subscriptions of organisation $1 the ranges $2. */
export const SET_EGRESS = statement('webhooks.set_egress', 'update webhooks.subscriptions set egress_allow = $2 where org_id = $1');

/** Deletes a subscription ($1 organisation, $2 id) and cancels what has not been delivered to it; an attempt under way is fenced. */
export const REMOVE = statement(
  'webhooks.remove_subscription',
  `with removed as (
     delete from webhooks.subscriptions where org_id = $1 and id = $2 returning id
   ), canceled as (
     update webhooks.deliveries d set status = 'canceled', due_at = null, lease_until = null, epoch = d.epoch + 1
     from removed r where d.subscription_id = r.id and d.status = 'pending'
   )
   select id from removed`,
);

/** Cancels what waits for subscription $1. */
export const DISCARD = statement(
  'webhooks.discard_backlog',
  `update webhooks.deliveries set status = 'canceled', due_at = null, lease_until = null, epoch = epoch + 1 where subscription_id = $1 and status = 'pending'`,
);

/** The organisations that have enabled subscriptions. */
export const SUBSCRIBED = statement('webhooks.subscribed', 'select distinct s.org_id as "orgId" from webhooks.subscriptions s where s.enabled');

/** The enabled subscriptions of the organisations $1, as far as it has to be known who hears of a run. */
export const SUBSCRIBERS = statement(
  'webhooks.subscribers',
  `select s.id, s.org_id as "orgId", s.callback_url as "callbackUrl", s.event_types as "eventTypes", s.filters, s.active_since as "activeSince"
   from webhooks.subscriptions s where s.org_id = any($1::text[]) and s.enabled order by s.id`,
);

/** Up to $2 subscriptions after id $3 with something that was not encrypted with the key of prefix $1, locked until the transaction ends. */
export const ENCRYPTED_BEFORE = statement(
  'webhooks.encrypted_before',
  `select s.id, s.org_id as "orgId", s.secret, s.previous_secret as "previousSecret", s.headers from webhooks.subscriptions s
   where s.id > $3 and not (coalesce(starts_with(s.secret, $1), true) and coalesce(starts_with(s.previous_secret, $1), true) and coalesce(starts_with(s.headers, $1), true))
   order by s.id limit $2 for update`,
);

/** Writes what was encrypted anew. */
export const REENCRYPT = statement(
  'webhooks.reencrypt',
  `update webhooks.subscriptions s set secret = x.secret, previous_secret = x."previousSecret", headers = x.headers
   from json_to_recordset($1::json) as x(id text, secret text, "previousSecret" text, headers text) where s.id = x.id returning s.id`,
);
