create table billing.usage_events (
  run_id text not null,
  step integer not null,
  org_id text not null,
  api_key_id text not null,
  engine text not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cached_input_tokens bigint not null,
  tool_calls integer not null,
  cost_micro_usd bigint not null,
  recorded_at timestamptz not null,
  primary key (run_id, step)
);
create index usage_events_by_org on billing.usage_events (org_id, recorded_at);

create table billing.finished_runs (
  run_id text primary key,
  org_id text not null,
  api_key_id text not null,
  engine text not null,
  completed_at timestamptz not null
);
create index finished_runs_by_org on billing.finished_runs (org_id, completed_at);

create table billing.dead_letters (
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
