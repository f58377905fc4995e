import { hotStatement, outboxCte, statement, type WorkTable } from '@nightshift/postgres';

/** Calls as a table of work. */
export const CALLS: WorkTable = {
  name: 'tools.calls',
  id: 'id',
  columns: `t.run_id as "runId", t.org_id as "orgId", t.pool, t.step, t.tool, t.arguments, t.egress_allow as "egressAllow", t.traceparent`,
};

/** Inserts calls, claimed where `claim` says so and their lane holds fewer than $3. Known calls are left alone. Returns of the new ones what the database has decided. */
export const INSERT = hotStatement(
  'tools.insert',
  `with input as (
     select *, row_number() over (partition by pool, lane, claim order by id) as place
     from json_to_recordset($1::json) as x(id text, "runId" text, "orgId" text, pool text, step int, tool json, arguments json, "egressAllow" json, traceparent text, lane text, claim boolean)
   ), lanes as (
     select l.pool, l.lane, (select count(*) from tools.calls h where h.pool = l.pool and h.lane = l.lane and h.lease_until > now()) as held
     from (select distinct pool, lane from input where claim) l
   ), t as (
     insert into tools.calls (id, run_id, org_id, pool, step, tool, arguments, egress_allow, traceparent, lane, due_at, lease_until, epoch, attempts)
     select id, "runId", "orgId", pool, step, tool, arguments, "egressAllow", traceparent, lane, now(), case when claims then now() + $2 * interval '1 ms' end, claims::int, claims::int
     from (select i.*, claim and i.place + coalesce(l.held, 0) <= $3 as claims from input i left join lanes l on l.pool = i.pool and l.lane = i.lane) i
     order by id
     on conflict (id) do nothing
     returning id, epoch, attempts, lease_until is not null as claimed
   )
   select * from t`,
);

/** Ends calls whose epoch still holds, with the events that say so. Returns the ids written, and whether others of their lane are due. */
export const COMMIT = hotStatement(
  'tools.commit',
  `with input as (
     select * from json_to_recordset($1::json) as x(id text, epoch int, result json) order by id
   ), written as (
     update tools.calls c set state = 'done', result = i.result, finished_at = now(), attempts = 0, due_at = null, lease_until = null
     from input i where c.id = i.id and c.epoch = i.epoch and c.state = 'active'
     returning c.id as ref, c.pool, c.lane
   ), ${outboxCte('tools', '$2', 'written')}
   select w.ref as id, exists (
     select 1 from tools.calls o where o.pool = w.pool and o.lane = w.lane and o.lease_until is null and o.due_at <= now()
   ) as "laneWaits" from written w`,
);

/** Cancels calls, inserting those nobody has seen in their final state. */
export const CANCEL = statement(
  'tools.cancel',
  `insert into tools.calls as c (id, run_id, org_id, pool, step, lane, state, finished_at)
   select id, "runId", "orgId", pool, step, "orgId", 'canceled', now()
   from json_to_recordset($1::json) as x(id text, "runId" text, "orgId" text, pool text, step int) order by id
   on conflict (id) do update set state = 'canceled', epoch = c.epoch + 1, due_at = null, lease_until = null, finished_at = now()
   where c.state = 'active'
   returning c.id`,
);

/** Calls among $1 that are done, with their results. */
export const DONE = statement(
  'tools.done',
  `select id, run_id as "runId", pool, step, result, traceparent from tools.calls where id = any($1::text[]) and state = 'done'`,
);

/** Stores events that belong to no other write. */
export const EMIT = statement('tools.emit', `with written as (select ref from json_to_recordset($1::json) as x(ref text)), ${outboxCte('tools', '$1', 'written')} select 1`);

/** Deletes up to $2 calls that ended more than $1 days ago. */
export const FORGET = statement(
  'tools.forget',
  `delete from tools.calls where id in (select id from tools.calls where finished_at < now() - $1 * interval '1 day' order by finished_at limit $2) returning id`,
);
