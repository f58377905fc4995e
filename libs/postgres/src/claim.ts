import { hotStatement, type Statement, statement } from './database.ts';

/**
 * A table of work. Its rows have `due_at` (null: nothing to do), `lease_until` (not null: held), `attempts` (claims since
 * the last commit), `epoch` (the fence: grows with each claim and each outside change), `lane` and `pool`.
 */
export interface WorkTable {
  /** Schema-qualified name. */
  readonly name: string;
  /** Primary key column, text. */
  readonly id: string;
  /** What a claim returns besides id, epoch, attempts, lane and queue age: column list, each prefixed with `t.`. */
  readonly columns: string;
  /** How many rows of the lane `l.lane`, of which `l.held` are, may be held now, as an SQL expression; $5 is the worker's own `laneMax`, which holds without it. */
  readonly laneLimit?: string;
  /** Why no row of the lane `l.lane` may be held now, as an SQL expression that gives a word, or null if only its limit is reached. */
  readonly laneTrouble?: string;
  /** Whether the owners of lanes share each worker's slots. The column `lane` has the collation "C" then. */
  readonly ownersShare?: true;
  /** What a claim writes besides, as the body of a CTE that reads `claimed` (id and lane of each row). */
  readonly onClaim?: string;
}

/** A claimed row. */
export interface Claimed {
  readonly id: string;
  readonly epoch: number;
  readonly attempts: number;
  readonly lane: string;
  /** Milliseconds between its due time and the claim. */
  readonly queueAgeMs: number;
}

/** Of several endings of one row, by id, only the one with the highest epoch: the others have lost their lease. */
export function newestEndings<T>(endings: readonly T[], rowOf: (ending: T) => Pick<Claimed, 'id' | 'epoch'>): Map<string, T> {
  const newest = new Map<string, T>();
  for (const ending of endings) {
    const { id, epoch } = rowOf(ending);
    const other = newest.get(id);
    if (!other || rowOf(other).epoch < epoch) newest.set(id, ending);
  }
  return newest;
}

const LANES_PER_CLAIM = 64;

/** Of its free slots a worker leaves one for every so many that one owner holds. */
const SHARE = 3;

/** Whom a lane belongs to where owners share slots: the first word of its name. */
export function ownerOf(lane: string): string {
  return lane.split(' ', 1)[0] ?? lane;
}

/** CTE `held`: how many rows each lane of pool $1 holds. */
export function heldCte({ name }: WorkTable): string {
  return `held as materialized (
       select lane, count(*)::int as held from ${name} where pool = $1 and lease_until is not null group by lane
     )`;
}

const sqlOwnerOf = (lane: string): string => `split_part(${lane}, ' ', 1)`;

/** Whether an owner that holds `held` rows may take one more of `free` slots: alone it gets three quarters of them all, and whoever holds nothing gets the last. */
export function mayTake(held: number, free: number): boolean {
  return free > 0 && held + 1 <= Math.max(1, SHARE * (free - 1));
}

/** What every claiming statement returns, so that a row claimed on insertion looks like one claimed later. `t` is the row. */
export function claimedColumns(table: WorkTable): string {
  return `t.${table.id} as id, t.epoch, t.attempts, t.lane, ${table.columns}`;
}

/**
 * Claims up to $2 due rows of pool $1 for $3 ms. Lanes are taken in turn, beginning after lane $4: a row's rank is the
 * number of rows its lane holds already plus its place in the lane, lowest ranks first, at most $5 (or the table's limit) per
 * lane; `offset 0` has that worked out once per lane. Expired leases come before anything, and count for their lanes until
 * they are taken. What was chosen is found by arrays of ids, and looked at again in a form that fits no index: however few
 * waiting rows the planner expects, that is by the primary key.
 * Always returns the last lane looked at as `cursor`, null when all lanes were seen.
 *
 * Where owners share the slots, $6 says how many each of them holds, and $7 who can have no more: their lanes are passed over
 * in one step. Whoever holds the least goes first, and nobody takes a slot beyond the share (`mayTake`) that is left then;
 * `withheld` says that rows wait for that.
 */
export function claimStatement(table: WorkTable): Statement {
  const { name, id, ownersShare } = table;
  const waiting = `pool = $1 and lease_until is null and due_at is not null`;
  const candidates = '(select * from expired union all select * from ranked)';
  const after = ownersShare ? `case when ${sqlOwnerOf('l.lane')} = any($7::text[]) then ${sqlOwnerOf('l.lane')} || '!' else l.lane end` : 'l.lane';
  return hotStatement(
    `${name}.claim`,
    `with recursive lanes(lane, n) as (
       (select lane, 1 from ${name} where ${waiting} and lane > $4 order by lane limit 1)
       union all
       select (select w.lane from ${name} w where w.${waiting.replaceAll(' and ', ' and w.')} and w.lane > ${after} order by w.lane limit 1), l.n + 1
       from lanes l where l.lane is not null and l.n < ${LANES_PER_CLAIM}
     ), ${heldCte(table)}, ranked as (
       select c.id, c.due_at, c.rank, l.lane
       from (
         select l.lane, l.held, ${table.laneLimit ?? '$5::int'} as room
         from (select l.lane, coalesce(h.held, 0) as held from lanes l left join held h on h.lane = l.lane where l.lane is not null${ownersShare ? ` and ${sqlOwnerOf('l.lane')} <> all($7::text[])` : ''}) l offset 0
       ) l
       cross join lateral (
         select x.id, x.due_at, row_number() over (order by x.due_at) + l.held as rank
         from (select ${id} as id, due_at from ${name} where ${waiting} and lane = l.lane and due_at <= now() order by due_at limit greatest(0, least($2, l.room - l.held))) x
       ) c
       ${ownersShare ? '' : 'order by c.rank, c.due_at limit $2'}
     ), expired as (
       select ${id} as id, due_at, 0 as rank, lane from ${name} where pool = $1 and lease_until < now() order by lease_until limit $2
     ), chosen as (
       ${ownersShare ? sharedOut(candidates) : `select *, 1 as place, true as allowed from ${candidates} c`}
     ), locked as materialized (
       select t.${id} as id from ${name} t
       where t.${id} = any(array(select id from chosen where allowed order by place, rank, due_at limit $2))
         and coalesce(t.lease_until < now(), t.due_at <= now())
       for update skip locked
     ), claimed as (
       update ${name} t set lease_until = now() + $3 * interval '1 ms', epoch = t.epoch + 1, attempts = t.attempts + 1
       where t.${id} = any(array(select id from locked))
       returning ${claimedColumns(table)}, greatest(0, extract(epoch from now() - t.due_at) * 1000)::float8 as "queueAgeMs"
     )${table.onClaim === undefined ? '' : `, besides as (${table.onClaim})`}
     select c.cursor, ${ownersShare ? 'exists (select from chosen where not allowed)' : 'false'} as withheld, claimed.*
     from (select case when count(*) = ${LANES_PER_CLAIM} then max(lane) end as cursor from lanes) c left join claimed on true`,
  );
}

/** Candidates by how many slots their owner would hold with them: after the nth of them $2 − n slots are left, of which each owner may hold its multiple. */
function sharedOut(candidates: string): string {
  return `select c.*, c.place <= greatest(1, ${SHARE} * ($2 - row_number() over (order by c.place, c.rank, c.due_at))) as allowed
       from (
         select c.*, row_number() over (partition by ${sqlOwnerOf('c.lane')} order by c.rank, c.due_at) + coalesce(($6::json ->> ${sqlOwnerOf('c.lane')})::int, 0) as place
         from ${candidates} c
       ) c`;
}

/** Renews the leases of the rows ($1 ids, $2 epochs) for $3 ms where a third has passed, expired ones too; returns the ids that are still held. */
export function keepStatement(table: WorkTable): Statement {
  const { name, id } = table;
  return statement(
    `${name}.keep`,
    `with held as (
       select h.id, h.epoch, t.lease_until < now() + $3 * interval '1 ms' * 2 / 3 as ages
       from unnest($1::text[], $2::int[]) as h(id, epoch) join ${name} t on t.${id} = h.id and t.epoch = h.epoch and t.lease_until is not null
     ), renewed as (
       update ${name} t set lease_until = now() + $3 * interval '1 ms'
       from (select id, epoch from held where ages order by id) h
       where t.${id} = h.id and t.epoch = h.epoch and t.lease_until is not null
     )
     select id from held`,
  );
}

/** Gives rows ($1 ids, $2 epochs) back as if they had never been claimed: they are due as before, and keep their place in line. */
export function handBackStatement(table: WorkTable): Statement {
  const { name, id } = table;
  return statement(
    `${name}.hand_back`,
    `update ${name} t set lease_until = null, attempts = greatest(0, t.attempts - 1)
     from (select * from unnest($1::text[], $2::int[]) as h(id, epoch) order by 1) h
     where t.${id} = h.id and t.epoch = h.epoch and t.lease_until is not null`,
  );
}
