-- Frames of runs' streams, as they were stored together: the frames from seq to last of one run.
create table engine.frames (
  run_id text not null,
  seq int not null,
  last int not null,
  body text not null,
  ends boolean not null default false,
  is_packable boolean not null default false,
  stored_at timestamptz not null default now(),
  primary key (run_id, seq)
);
create index frames_to_pack on engine.frames (stored_at) where is_packable;

-- All frames of a run that has ended, compressed.
create table engine.frame_packs (
  run_id text primary key,
  last int not null,
  body bytea not null
);

-- The last frame that was stored when the session was committed, and the last character of its document then.
alter table engine.sessions add column frame_seq int not null default 0;
alter table engine.sessions add column frame_tail text not null default '';
