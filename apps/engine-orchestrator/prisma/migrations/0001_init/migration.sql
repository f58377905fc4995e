create table engine.sessions (
  run_id text primary key,
  org_id text not null,
  api_key_id text not null,
  pool text not null,
  engine text not null,
  request json not null,
  traceparent text,
  state text not null default 'active',
  step integer not null default 0,
  pending integer not null default 0,
  calls json,
  usage json not null default '{"inputTokens":0,"outputTokens":0,"cachedInputTokens":0,"toolCalls":{}}',
  outcome json,
  upstream_failures integer not null default 0,
  check_count integer not null default 0,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  lane text not null,
  due_at timestamptz,
  lease_until timestamptz,
  attempts integer not null default 0,
  epoch integer not null default 0
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

create index sessions_waiting on engine.sessions (pool, lane, due_at) where lease_until is null and due_at is not null;
create index sessions_held on engine.sessions (pool, lease_until) where lease_until is not null;
create index sessions_finished on engine.sessions (finished_at) where finished_at is not null;

create table engine.journal (
  run_id text not null references engine.sessions (run_id) on delete cascade,
  step integer not null,
  call_id text not null default '',
  kind text not null,
  body json not null,
  created_at timestamptz not null default now(),
  primary key (run_id, step, call_id)
);
create index journal_turns on engine.journal (created_at, run_id, step) where kind = 'turn';

create table engine.outbox (
  id text primary key,
  topic text not null,
  pool text not null,
  key text not null,
  payload json not null,
  traceparent text,
  created_at timestamptz not null default now(),
  claimed_until timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index outbox_by_age on engine.outbox (created_at);

create table engine.dead_letters (
  id text primary key,
  event_id text not null,
  topic text not null,
  key text not null,
  payload text not null,
  headers json not null,
  error text not null,
  attempts integer not null,
  created_at timestamptz not null default now(),
  unique (event_id, topic)
);
