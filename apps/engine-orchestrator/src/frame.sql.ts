import { hotStatement, statement } from '@nightshift/postgres';

/** Frames to insert as a table, from four parameters: run, seq, last and body. */
export const FRAMES_INPUT = (first: number): string =>
  `unnest($${first}::text[], $${first + 1}::int[], $${first + 2}::int[], $${first + 3}::text[]) as f(run_id, seq, last, body)`;

/**
 * Stores frames of sessions ($5 epochs) that are still held; returns those that are stored. Who writes when a session is
 * just being taken over or stopped meets the other at the same number: one of the two is not stored, and looks again.
 */
export const APPEND = hotStatement(
  'engine.append_frames',
  `insert into engine.frames (run_id, seq, last, body)
   select f.run_id, f.seq, f.last, f.body
   from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::int[]) as f(run_id, seq, last, body, epoch)
   join engine.sessions s on s.run_id = f.run_id and s.epoch = f.epoch and s.state = 'active'
   order by f.run_id
   on conflict do nothing
   returning run_id as "runId"`,
);

/** Frames of more bytes are not packed: a reader of a part would have to unpack them all. */
const PACK_BYTES_MAX = 4 * 1024 * 1024;

/** Stores the last frames of runs; returns those that are stored. What has many rows is worth packing; what is packed has ended. */
export const APPEND_END = hotStatement(
  'engine.append_end',
  `insert into engine.frames (run_id, seq, last, body, ends, is_packable)
   select f.run_id, f.seq, f.last, f.body, true,
     (select count(*) >= 8 and sum(octet_length(o.body)) + octet_length(f.body) <= ${PACK_BYTES_MAX} from engine.frames o where o.run_id = f.run_id)
   from ${FRAMES_INPUT(1)} where not exists (select 1 from engine.frame_packs p where p.run_id = f.run_id) order by f.run_id
   on conflict do nothing
   returning run_id as "runId"`,
);

/** What was stored of runs ($1) after a frame ($2), in order; of what is packed, that it has ended. */
export const SINCE = statement(
  'engine.frames_since',
  `with input as (select * from unnest($1::text[], $2::int[]) as i(run_id, seq))
   select f.run_id as "runId", f.seq, f.last, f.body, f.ends from input i join engine.frames f on f.run_id = i.run_id and f.last > i.seq
   union all select p.run_id, p.last, p.last, '[]', true from input i join engine.frame_packs p on p.run_id = i.run_id
   order by 1, 2`,
);

/** Frames of a run ($1) after a number ($2), about $3 bytes of them and at least one row; its pack where it was packed. */
export const READ = statement(
  'engine.read_frames',
  `select seq, body, null::bytea as packed from (
     select seq, body, sum(octet_length(body)) over (order by seq) - octet_length(body) as before from engine.frames where run_id = $1 and last > $2
   ) f where before < $3
   union all select 1, '', body from engine.frame_packs where run_id = $1 and last > $2
   order by seq`,
);

/** How far the frames of runs ($1) reach, and whether they have ended; runs without frames are left out. */
export const HEADS = statement(
  'engine.frame_heads',
  `select r.run_id as "runId", h.last, h.ends from unnest($1::text[]) as r(run_id), lateral (
     (select last, ends from engine.frames where run_id = r.run_id order by seq desc limit 1)
     union all select last, true from engine.frame_packs where run_id = r.run_id
   ) h`,
);

/** Runs that ended a while ago ($1 s) and whose frames are many rows, up to $2. */
export const TO_PACK = statement('engine.frames_to_pack', `select run_id as "runId" from engine.frames where is_packable and stored_at < now() - $1 * interval '1 s' order by stored_at limit $2`);

/** Puts a pack ($1 run, $2 last, $3 body) in the place of a run's frames. */
export const PACK = statement(
  'engine.pack_frames',
  `with packed as (
     insert into engine.frame_packs (run_id, last, body) values ($1, $2, $3) on conflict do nothing
   )
   delete from engine.frames where run_id = $1 returning 1`,
);
