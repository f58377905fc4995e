create table tools.calls (
  id text primary key,
  run_id text not null,
  org_id text not null,
  pool text not null,
  step integer not null,
  tool json,
  arguments json,
  egress_allow json not null default '[]',
  state text not null default 'active',
  result json,
  traceparent text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  lane text not null,
  due_at timestamptz,
  lease_until timestamptz,
  attempts integer not null default 0,
  epoch integer not null default 0
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

create index calls_waiting on tools.calls (pool, lane, due_at) where lease_until is null and due_at is not null;
create index calls_held on tools.calls (pool, lease_until) where lease_until is not null;
create index calls_finished on tools.calls (finished_at) where finished_at is not null;

create table tools.outbox (
  id text primary key,
  topic text not null,
  pool text not null,
  key text not null,
  payload json not null,
  traceparent text,
  created_at timestamptz not null default now(),
  claimed_until timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index outbox_by_age on tools.outbox (created_at);

create table tools.dead_letters (
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
