import { EVENT_BODY_BYTES_MAX } from '@nightshift/contracts';
import { hotStatement, outboxCte, statement } from '@nightshift/postgres';

const COLUMNS = `r.id, r.org_id as "orgId", r.api_key_id as "apiKeyId", r.pool, r.engine, r.status, r.version, r.timeout_ms as "timeoutMs",
  r.callback_url as "callbackUrl", r.egress_allow as "egressAllow", r.response_content as "responseContent", r.answer_encoding as "answerEncoding", r.metadata, r.traceparent,
  r.result, r.error, r.usage, r.created_at as "createdAt", r.started_at as "startedAt", r.completed_at as "completedAt",
  r.deadline_at as "deadlineAt", r.check_at as "checkAt", r.check_count as "checkCount"`;

/** Inserts runs with their idempotency keys and events; a key older than a day is taken over. Returns the ids inserted. */
export const CREATE = hotStatement(
  'runs.create',
  `with input as (
     select * from json_to_recordset($1::json) as x(id text, "orgId" text, "apiKeyId" text, pool text, engine text, request json, "timeoutMs" int,
       "callbackUrl" text, "egressAllow" json, "responseContent" text, "answerEncoding" text, metadata json, traceparent text, "queueLimitMs" int, "checkMs" int,
       route text, key text, "bodyHash" text) order by id
   ), keys as (
     insert into runs.idempotency_keys as k (org_id, route, key, run_id, body_hash)
     select "orgId", route, key, id, "bodyHash" from input where key is not null order by "orgId", route, key
     on conflict (org_id, route, key) do update set run_id = excluded.run_id, body_hash = excluded.body_hash, created_at = now()
       where k.created_at < now() - interval '24 hours'
     returning run_id
   ), written as (
     insert into runs.runs (id, org_id, api_key_id, pool, engine, request, timeout_ms, callback_url, egress_allow, response_content, answer_encoding, metadata,
       traceparent, deadline_at, check_at, due_at)
     select id, "orgId", "apiKeyId", pool, engine, request, "timeoutMs", "callbackUrl", coalesce("egressAllow", '[]'), "responseContent", "answerEncoding", metadata,
       traceparent, now() + "queueLimitMs" * interval '1 ms', now() + "checkMs" * interval '1 ms', now() + "checkMs" * interval '1 ms'
     from input where key is null or id in (select run_id from keys)
     on conflict (id) do nothing
     returning id as ref
   ), ${outboxCte('runs', '$2', 'written')}
   select ref as id from written`,
);

/** The run that holds an idempotency key; none if the key is free again. */
export const FIND_KEY = statement('runs.find_key', `select run_id as "runId", body_hash as "bodyHash" from runs.idempotency_keys where org_id = $1 and route = $2 and key = $3 and created_at >= now() - interval '24 hours'`);

/** Runs by id, with the database's time. */
export const LOAD = hotStatement('runs.load', `select ${COLUMNS}, now() as now from runs.runs r where r.id = any($1::text[])`);

/** Up to $1 runs that are due, with the database's time and, where they may travel, their requests. */
export const DUE = statement('runs.due', `select ${COLUMNS}, case when octet_length(r.request::text) <= ${EVENT_BODY_BYTES_MAX} then r.request end as request, now() as now from runs.runs r where r.due_at <= now() order by r.due_at limit $1`);

/** Whose these runs are, and which engines they named. */
export const ENGINES = statement('runs.engines', `select id, org_id as "orgId", engine from runs.runs where id = any($1::text[])`);

/** Which of these runs have ended. */
export const ENDED = statement('runs.ended', `select id from runs.runs where id = any($1::text[]) and completed_at is not null`);

const QUEUED = `r.status = 'queued' and r.pool <> 'shared'`;

/** How many runs wait in the queue of each dedicated pool, up to 10,000, and for how long the oldest has, in seconds. */
export const QUEUES = statement(
  'runs.queues',
  `with recursive pools(pool) as (
     (select r.pool from runs.runs r where ${QUEUED} order by r.pool limit 1)
     union all
     select (select r.pool from runs.runs r where ${QUEUED} and r.pool > p.pool order by r.pool limit 1) from pools p where p.pool is not null
   )
   select p.pool, q.* from pools p cross join lateral (
     select count(*)::int as count, extract(epoch from now() - min(created_at))::float8 as "oldestSeconds"
     from (select r.created_at from runs.runs r where ${QUEUED} and r.pool = p.pool order by r.created_at limit 10000) queued
   ) q
   where p.pool is not null`,
);

/** How long the runs that ended last took from their creation, in milliseconds: the median for each engine that is among them. */
export const DURATIONS = statement(
  'runs.durations',
  `select engine, percentile_cont(0.5) within group (order by extract(epoch from completed_at - created_at) * 1000)::float8 as "medianMs"
   from (select engine, status, created_at, completed_at from runs.runs where completed_at is not null order by completed_at desc limit $1) recent
   where status = 'succeeded' group by engine`,
);

/** Writes changed runs that still have the version they were read with, with their events. Returns the ids written. */
export const COMMIT = hotStatement(
  'runs.commit',
  `with input as (
     select * from json_to_recordset($1::json) as x(id text, version int, status text, result json, error json, usage json, "startedAt" timestamptz,
       "completedAt" timestamptz, "deadlineAt" timestamptz, "checkAt" timestamptz, "checkCount" int, "dueAt" timestamptz)
   ), locked as (
     select r.id from runs.runs r join input i on i.id = r.id and i.version = r.version order by r.id for update of r
   ), written as (
     update runs.runs r set status = i.status, version = r.version + 1, result = i.result, error = i.error, usage = i.usage, started_at = i."startedAt",
       completed_at = i."completedAt", deadline_at = i."deadlineAt", check_at = i."checkAt", check_count = i."checkCount", due_at = i."dueAt",
       updated_at = now()
     from input i join locked l on l.id = i.id
     where r.id = i.id and r.version = i.version
     returning r.id as ref
   ), ${outboxCte('runs', '$2', 'written')}
   select ref as id from written`,
);

/** Deletes up to $2 runs that ended more than $1 days ago, and idempotency keys that are free again. */
export const FORGET = statement(
  'runs.forget',
  `with keys as (
     delete from runs.idempotency_keys where ctid in (select ctid from runs.idempotency_keys where created_at < now() - interval '25 hours' limit $2)
     returning run_id
   ), old as (
     delete from runs.runs where id in (
       select id from runs.runs where completed_at < now() - $1 * interval '1 day' and due_at is null order by completed_at limit $2
     ) returning id
   )
   select id from old union all select run_id from keys`,
);
