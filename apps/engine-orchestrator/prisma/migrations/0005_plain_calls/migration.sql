-- What plain model calls have used; `body` has the fields of a turn's journal entry that are counted.
create table engine.plain_calls (
  call_id text primary key,
  org_id text not null,
  api_key_id text not null,
  engine text not null,
  body json not null,
  created_at timestamptz not null default now()
);
create index plain_calls_by_age on engine.plain_calls (created_at, call_id);
