import { heldCte, type WorkTable } from './claim.ts';
import { type Statement, statement } from './database.ts';

/** What waits in a table of work. */
export interface Backlog {
  /** Due rows that could be held now. */
  readonly rows: number;
  /** For how long the oldest of them has been due. */
  readonly oldestSeconds: number;
  /** Due rows that may not be held now, by the trouble of their lane; `limited` where it holds as many as it may. */
  readonly blocked: Readonly<Record<string, number>>;
}

const ROWS_MAX = 10_000;
const LANES_MAX = 2000;

/** Gives the Backlog of pool $1, counting up to 10,000 rows. Of a table with limits of its own per lane it looks at 2,000 lanes, those first that may hold more; $2 is the worker's `laneMax`. */
export function backlogStatement(table: WorkTable): Statement {
  const { name, laneLimit, laneTrouble } = table;
  if (laneLimit === undefined) {
    return statement(
      `${name}.backlog`,
      `select count(*)::int as rows, coalesce(extract(epoch from now() - min(due_at)), 0)::float8 as "oldestSeconds", '{}'::json as blocked
       from (select due_at from ${name} where pool = $1 and lease_until is null and due_at <= now() limit ${ROWS_MAX}) due`,
    );
  }
  const waiting = 'lease_until is null and due_at is not null';
  const due = `select w.due_at from ${name} w where w.pool = $1 and w.lane = l.lane and w.lease_until is null and w.due_at <= now() order by w.due_at`;
  return statement(
    `${name}.backlog`,
    `with recursive lanes(lane, n) as (
       (select lane, 1 from ${name} where pool = $1 and ${waiting} order by lane limit 1)
       union all
       select (select w.lane from ${name} w where w.pool = $1 and w.lease_until is null and w.due_at is not null and w.lane > l.lane order by w.lane limit 1), l.n + 1
       from lanes l where l.lane is not null and l.n < ${LANES_MAX}
     ), ${heldCte(table)}, states as materialized (
       select l.lane, greatest(0, ${laneLimit.replaceAll('$5', '$2')} - l.held) as room, ${laneTrouble ?? 'null::text'} as trouble, (${due} limit 1) as oldest
       from (select l.lane, coalesce(h.held, 0) as held from lanes l left join held h on h.lane = l.lane where l.lane is not null) l
     ), due as (
       select l.lane, l.room, l.trouble from (select * from states where oldest is not null order by room = 0, lane) l
       cross join lateral (${due} limit ${ROWS_MAX}) d limit ${ROWS_MAX}
     ), counted as (
       select room, coalesce(trouble, 'limited') as trouble, count(*)::int as rows from due group by lane, room, trouble
     )
     select (select coalesce(sum(least(rows, room)), 0)::int from counted) as rows,
       (select coalesce(extract(epoch from now() - min(oldest)), 0)::float8 from states where room > 0) as "oldestSeconds",
       (select coalesce(json_object_agg(trouble, rows), '{}') from (select trouble, sum(rows - least(rows, room))::int as rows from counted group by trouble) t) as blocked`,
  );
}

/** For each pool with rows that nobody holds: how many of them are due, up to 10,000, and for how long the oldest has been, in seconds. */
export function waitingStatement({ name }: WorkTable): Statement {
  const waiting = 'lease_until is null and due_at is not null';
  return statement(
    `${name}.waiting`,
    `with recursive pools(pool) as (
       (select pool from ${name} where ${waiting} order by pool limit 1)
       union all
       select (select w.pool from ${name} w where ${waiting} and w.pool > p.pool order by w.pool limit 1) from pools p where p.pool is not null
     )
     select p.pool, b.* from pools p cross join lateral (
       select count(*)::int as count, coalesce(extract(epoch from now() - min(due_at)), 0)::float8 as "oldestSeconds"
       from (select due_at from ${name} where pool = p.pool and ${waiting} and due_at <= now() limit 10000) due
     ) b
     where p.pool is not null`,
  );
}
