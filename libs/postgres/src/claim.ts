import { type Statement, statement } from './database.ts';

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
  /** How many rows of the lane `l.lane` may be held now, as an SQL expression; $5 is the worker's own `laneMax`, which holds without it. */
  readonly laneLimit?: string;
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

/** What every claiming statement returns, so that a row claimed on insertion looks like one claimed later. `t` is the row. */
export function claimedColumns(table: WorkTable): string {
  return `t.${table.id} as id, t.epoch, t.attempts, t.lane, ${table.columns}`;
}

/**
 * Claims up to $2 due rows of pool $1 for $3 ms. Lanes are taken in turn, beginning after lane $4: a row's rank is the
 * number of rows its lane holds already plus its place in the lane, lowest ranks first, at most $5 (or the table's limit) per
 * lane; `offset 0` has that worked out once per lane. Expired leases come before anything, and count for their lanes until
 * they are taken. Always returns the last lane looked at as `cursor`, null when all lanes were seen.
 */
export function claimStatement(table: WorkTable): Statement {
  const { name, id } = table;
  const waiting = `pool = $1 and lease_until is null and due_at is not null`;
  return statement(
    `${name}.claim`,
    `with recursive lanes(lane, n) as (
       (select lane, 1 from ${name} where ${waiting} and lane > $4 order by lane limit 1)
       union all
       select (select w.lane from ${name} w where w.${waiting.replaceAll(' and ', ' and w.')} and w.lane > l.lane order by w.lane limit 1), l.n + 1
       from lanes l where l.lane is not null and l.n < ${LANES_PER_CLAIM}
     ), ranked as (
       select c.id, c.due_at, c.rank
       from (select l.lane, ${table.laneLimit ?? '$5::int'} as room from lanes l where l.lane is not null offset 0) l
       cross join lateral (
         select x.id, x.due_at, row_number() over (order by x.due_at)
           + (select count(*) from ${name} h where h.pool = $1 and h.lane = l.lane and h.lease_until is not null) as rank
         from (select ${id} as id, due_at from ${name} where ${waiting} and lane = l.lane and due_at <= now() order by due_at limit least($2, l.room)) x
       ) c
       where c.rank <= l.room
       order by c.rank, c.due_at limit $2
     ), expired as (
       select ${id} as id, due_at, 0 as rank from ${name} where pool = $1 and lease_until < now() order by lease_until limit $2
     ), locked as (
       select t.${id} as id, t.due_at from ${name} t
       join (select * from expired union all select * from ranked) c on c.id = t.${id}
       where (t.lease_until is null and t.due_at <= now()) or t.lease_until < now()
       order by c.rank, c.due_at limit $2
       for update of t skip locked
     ), claimed as (
       update ${name} t set lease_until = now() + $3 * interval '1 ms', epoch = t.epoch + 1, attempts = t.attempts + 1
       from locked where t.${id} = locked.id
       returning ${claimedColumns(table)}, greatest(0, extract(epoch from now() - locked.due_at) * 1000)::float8 as "queueAgeMs"
     )${table.onClaim === undefined ? '' : `, besides as (${table.onClaim})`}
     select c.cursor, claimed.* from (select case when count(*) = ${LANES_PER_CLAIM} then max(lane) end as cursor from lanes) c left join claimed on true`,
  );
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

/** Gives rows ($1 ids, $2 epochs) back as if they had never been claimed, due after $3 ms. */
export function handBackStatement(table: WorkTable): Statement {
  const { name, id } = table;
  return statement(
    `${name}.hand_back`,
    `update ${name} t set lease_until = null, attempts = greatest(0, t.attempts - 1), due_at = now() + $3 * interval '1 ms'
     from (select * from unnest($1::text[], $2::int[]) as h(id, epoch) order by 1) h
     where t.${id} = h.id and t.epoch = h.epoch and t.lease_until is not null`,
  );
}

/** How many due rows of pool $1 wait, up to 10,000, and for how long the oldest has, in seconds. */
export function backlogStatement(table: WorkTable): Statement {
  return statement(
    `${table.name}.backlog`,
    `select count(*)::int as backlog, coalesce(extract(epoch from now() - min(due_at)), 0)::float8 as "oldestSeconds"
     from (select due_at from ${table.name} where pool = $1 and lease_until is null and due_at <= now() limit 10000) due`,
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
