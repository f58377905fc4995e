import { claimedColumns, hotStatement, outboxCte, statement, type WorkTable } from '@nightshift/postgres';
import { FRAMES_INPUT } from './frame.sql.ts';

const columnsWith = (request: string): string => `t.run_id as "runId", t.org_id as "orgId", t.api_key_id as "apiKeyId", t.pool, t.engine, ${request}, t.traceparent, t.state, t.step, t.pending,
    t.calls, t.usage, t.outcome, t.frame_seq as "frameSeq", t.frame_tail as "frameTail", t.upstream_failures as "upstreamFailures", t.check_count as "checkCount", t.started_at as "startedAt"`;

/** Sessions as a table of work: a due session has a turn to make, or tool results to ask for. */
export const SESSIONS: WorkTable = { name: 'engine.sessions', id: 'run_id', columns: columnsWith('t.request') };

/** Inserts sessions, claimed where `claim` says so, with the event that says they started. Known runs are left alone. Returns of the new ones what the database has decided. */
export const INSERT = hotStatement(
  'engine.insert',
  `with input as (
     select * from json_to_recordset($1::json) as x("runId" text, "orgId" text, "apiKeyId" text, pool text, engine text, request json, traceparent text, claim boolean)
     order by "runId"
   ), t as (
     insert into engine.sessions (run_id, org_id, api_key_id, pool, engine, request, traceparent, lane, due_at, lease_until, epoch, attempts, started_at)
     select "runId", "orgId", "apiKeyId", pool, engine, request, traceparent, "orgId", now(), case when claim then now() + $3 * interval '1 ms' end,
       claim::int, claim::int, case when claim then now() end
     from input
     on conflict (run_id) do nothing
     returning run_id as "runId", epoch, attempts, started_at as "startedAt", lease_until is not null as claimed
   ), written as (select "runId" as ref from t where claimed),
   ${outboxCte('engine', '$2', 'written')}
   select * from t`,
);

/** Notes that the first turn of claimed sessions ($1 ids) begins, with the events that say so. Returns when that was, of those of which it was not noted yet. */
export const STARTED = hotStatement(
  'engine.started',
  `with written as (
     update engine.sessions set started_at = now() where run_id = any($1::text[]) and started_at is null and state = 'active' returning run_id as ref, started_at
   ), ${outboxCte('engine', '$2', 'written')}
   select ref as id, started_at as "startedAt" from written`,
);

/**
 * Ends turns whose epoch and step still hold: journal, new state, frames and events. Returns the sessions written. The step keeps a
 * commit whose answer was lost from being applied once more.
 */
export const COMMIT = hotStatement(
  'engine.commit',
  `with input as (
     select * from json_to_recordset($1::json) as x("runId" text, epoch int, next text, step int, pending int, calls json, usage json, outcome json, "resultBytes" bigint, "frameSeq" int, "frameTail" text, "delayMs" float8)
   ), locked as (
     select s.run_id from engine.sessions s join input i on i."runId" = s.run_id and i.epoch = s.epoch and i.step = s.step + 1
     where s.state = 'active' order by s.run_id for update of s
   ), written as (
     update engine.sessions s set step = i.step, pending = i.pending, calls = i.calls, usage = i.usage, outcome = i.outcome,
       result_room = coalesce(s.result_room, i."resultBytes"), frame_seq = i."frameSeq", frame_tail = i."frameTail", upstream_failures = 0, check_count = 0, attempts = 0,
       state = case when i.next = 'done' then 'done' else 'active' end,
       finished_at = case when i.next = 'done' then now() end,
       due_at = case i.next when 'done' then null when 'turn' then s.due_at else now() + i."delayMs" * interval '1 ms' end,
       lease_until = case when i.next = 'turn' then s.lease_until end
     from input i join locked l on l.run_id = i."runId"
     where s.run_id = i."runId" and s.epoch = i.epoch
     returning s.run_id as ref
   ), journal as (
     insert into engine.journal (run_id, step, call_id, kind, body)
     select j."runId", j.step, j."callId", j.kind, j.body
     from json_to_recordset($3::json) as j("runId" text, step int, "callId" text, kind text, body json)
     where j."runId" in (select ref from written)
     on conflict do nothing
   ), frames as (
     insert into engine.frames (run_id, seq, last, body)
     select run_id, seq, last, body from ${FRAMES_INPUT(4)} where run_id in (select ref from written)
   ), ${outboxCte('engine', '$2', 'written')}
   select ref as id from written`,
);

/** Puts held sessions back without a turn: the upstream was not available, or tool results were asked for again. */
export const PUT_BACK = statement(
  'engine.put_back',
  `with input as (
     select * from json_to_recordset($1::json) as x("runId" text, epoch int, "upstreamFailures" int, "checkCount" int, "delayMs" float8) order by "runId"
   ), written as (
     update engine.sessions s set upstream_failures = i."upstreamFailures", check_count = i."checkCount", attempts = 0, lease_until = null,
       due_at = now() + i."delayMs" * interval '1 ms'
     from input i where s.run_id = i."runId" and s.epoch = i.epoch and s.state = 'active'
     returning s.run_id as ref
   ), ${outboxCte('engine', '$2', 'written')}
   select ref as id from written`,
);

/** Claims sessions ($1 ids) that were put back before their turn, for $2 ms, whether they are due or not. */
export const RESUME = statement(
  'engine.resume',
  `update engine.sessions t set lease_until = now() + $2 * interval '1 ms', epoch = t.epoch + 1, attempts = t.attempts + 1
   from (select run_id from engine.sessions where run_id = any($1::text[]) order by run_id for update) i
   where t.run_id = i.run_id and t.state = 'active' and t.lease_until is null and t.pending = 0
   returning ${claimedColumns(SESSIONS)}, 0 as "queueAgeMs"`,
);

/**
 * Stores tool results, and in the same statement counts them down: a session whose last result has come is due now,
 * and claimed where `claim` says so. A result that is known already changes nothing; of one for which the run has no room
 * any more, $3 is stored instead. Where `known` says that the caller knows the session as it was, the request is left out, and
 * the results of the turn come with it: those stored by this statement, and those stored earlier.
 */
export const RESULTS = hotStatement(
  'engine.results',
  `with input as (
     select * from json_to_recordset($1::json) as x("runId" text, step int, "callId" text, body json, claim boolean, known boolean)
   ), locked as (
     select run_id, result_room from engine.sessions where run_id in (select "runId" from input) order by run_id for update
   ), sized as (
     select i.*, l.result_room, sum(octet_length(i.body::text)) filter (where octet_length(i.body::text) <= l.result_room) over (partition by i."runId" order by i.step, i."callId") as bytes
     from input i join locked l on l.run_id = i."runId"
     where not exists (select 1 from engine.journal j where j.run_id = i."runId" and j.step = i.step and j.call_id = i."callId")
   ), inserted as (
     insert into engine.journal (run_id, step, call_id, kind, body)
     select "runId", step, "callId", 'result',
       case when bytes > result_room or octet_length(body::text) > result_room then json_build_object('kind', 'result', 'step', step, 'callId', "callId", 'result', $3::json) else body end
     from sized
     on conflict do nothing
     returning run_id, step, body, octet_length(body::text) as bytes
   ), counted as (
     select n.run_id, n.step, count(*)::int as results, sum(n.bytes) as bytes, json_agg(n.body) filter (where c.known) as bodies, bool_or(c.claim) as claim, bool_or(c.known) as known
     from inserted n join (select "runId", step, bool_or(claim) as claim, bool_or(known) as known from input group by 1, 2) c on c."runId" = n.run_id and c.step = n.step group by 1, 2
   ), t as (
     update engine.sessions s set pending = s.pending - c.results, result_room = s.result_room - c.bytes,
       due_at = case when s.pending = c.results then now() else s.due_at end,
       check_count = case when s.pending = c.results then 0 else s.check_count end,
       lease_until = case when s.pending > c.results then s.lease_until when c.claim then now() + $2 * interval '1 ms' end,
       epoch = s.epoch + (s.pending = c.results)::int,
       attempts = case when s.pending > c.results then s.attempts when c.claim then 1 else 0 end
     from counted c
     where s.run_id = c.run_id and s.state = 'active' and s.pending > 0 and s.step = c.step + 1
     returning s.*, c.known, c.bodies, c.results
   )
   select ${claimedColumns({ ...SESSIONS, columns: columnsWith('case when not t.known then t.request end as request') })}, 0 as "queueAgeMs", t.lease_until is not null as claimed,
     case when t.known then t.bodies end as results,
     case when t.known and t.results < json_array_length(t.calls) then
       (select json_agg(j.body) from engine.journal j where j.run_id = t.run_id and j.step = t.step - 1 and j.kind = 'result') end as "earlierResults"
   from t where t.pending = 0`,
);

/** Stops sessions, inserting those nobody has seen in their final state. Returns them all, with what they used and wait for. */
export const STOP = statement(
  'engine.stop',
  `insert into engine.sessions as s (run_id, org_id, api_key_id, pool, engine, request, traceparent, lane, state, finished_at)
   select "runId", "orgId", "apiKeyId", pool, engine, '{"instructions":"","tools":[]}', traceparent, "orgId", 'done', now()
   from json_to_recordset($1::json) as x("runId" text, "orgId" text, "apiKeyId" text, pool text, engine text, traceparent text) order by 1
   on conflict (run_id) do update set state = 'done', due_at = null, lease_until = null,
     epoch = s.epoch + (s.state = 'active')::int, finished_at = coalesce(s.finished_at, now())
   returning s.run_id as "runId", s.org_id as "orgId", s.pool, s.step, s.usage, s.calls, s.pending, s.traceparent, s.outcome, s.started_at as "startedAt", s.frame_seq as "frameSeq", s.frame_tail as "frameTail"`,
);

/** Stores events that belong to no other write. */
export const EMIT = statement('engine.emit', `with written as (select ref from json_to_recordset($1::json) as x(ref text)), ${outboxCte('engine', '$1', 'written')} select 1`);

/** Sessions by id. */
export const LOAD = statement('engine.load', `select ${claimedColumns(SESSIONS)} from engine.sessions t where t.run_id = any($1::text[])`);

/** Which of these sessions are over. */
export const ENDED = statement('engine.ended', `select run_id as "runId" from engine.sessions where run_id = any($1::text[]) and state = 'done'`);

/** How far sessions are, without their requests. */
export const ENDS = hotStatement(
  'engine.ends',
  `select run_id as "runId", org_id as "orgId", pool, traceparent, state, step, usage, outcome, started_at as "startedAt", frame_seq as "frameSeq", frame_tail as "frameTail"
   from engine.sessions where run_id = any($1::text[])`,
);

/** The journals of runs, in order. */
export const JOURNAL = hotStatement(
  'engine.journal',
  `select run_id as "runId", step, call_id as "callId", kind, body from engine.journal where run_id = any($1::text[]) order by run_id, step, kind desc, call_id`,
);

/** Turns and plain calls after a position, oldest first, as usage: for a consumer that may have missed their announcement. */
export const USAGE_SINCE = statement(
  'engine.usage_since',
  `select "runId", step, "orgId", "apiKeyId", engine, body, "recordedAt", "recordedAt"::text as at from (
     (select j.run_id as "runId", j.step, s.org_id as "orgId", s.api_key_id as "apiKeyId", s.engine, j.body, j.created_at as "recordedAt"
      from engine.journal j join engine.sessions s on s.run_id = j.run_id
      where j.kind = 'turn' and (j.created_at, j.run_id, j.step) > ($1::timestamptz, $2::text, $3::int)
      order by j.created_at, j.run_id, j.step limit $4)
     union all
     (select call_id, 0, org_id, api_key_id, engine, body, created_at
      from engine.plain_calls where (created_at, call_id) > ($1::timestamptz, $2::text) order by created_at, call_id limit $4)
   ) used order by "recordedAt", "runId", step limit $4`,
);

/** Deletes up to $2 sessions that ended more than $1 days ago, with their journals and frames. */
export const FORGET = statement(
  'engine.forget',
  `with old as (
     delete from engine.sessions where run_id in (select run_id from engine.sessions where finished_at < now() - $1 * interval '1 day' order by finished_at limit $2) returning run_id
   ), entries as (
     delete from engine.journal where run_id in (select run_id from old)
   ), shown as (
     delete from engine.frames where run_id in (select run_id from old)
   ), packed as (
     delete from engine.frame_packs where run_id in (select run_id from old)
   )
   select run_id from old`,
);
