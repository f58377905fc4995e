create table runs.runs (
  id text primary key,
  org_id text not null,
  api_key_id text not null,
  pool text not null,
  engine text not null,
  status text not null default 'queued',
  version integer not null default 0,
  request json not null,
  timeout_ms integer not null,
  callback_url text,
  egress_allow json not null default '[]',
  response_content text not null,
  answer_encoding text not null,
  metadata json,
  traceparent text not null,
  result json,
  error json,
  usage json,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  deadline_at timestamptz not null,
  check_at timestamptz,
  check_count integer not null default 0,
  due_at timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

create index runs_by_org on runs.runs (org_id, id desc);
create index runs_due on runs.runs (due_at) where due_at is not null;
create index runs_completed on runs.runs (completed_at, id) where completed_at is not null;

create table runs.idempotency_keys (
  org_id text not null,
  route text not null,
  key text not null,
  run_id text not null,
  body_hash text not null,
  created_at timestamptz not null default now(),
  primary key (org_id, route, key)
);
create index idempotency_keys_old on runs.idempotency_keys (created_at);

create table runs.outbox (
  id text primary key,
  topic text not null,
  pool text not null,
  key text not null,
  payload json not null,
  traceparent text,
  created_at timestamptz not null default now(),
  claimed_until timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index outbox_by_age on runs.outbox (created_at);

create table runs.dead_letters (
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
