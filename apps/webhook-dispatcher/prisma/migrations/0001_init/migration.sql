create table webhooks.deliveries (
  id text primary key,
  org_id text not null,
  run_id text not null,
  target text not null,
  event text not null,
  endpoint text not null,
  url text not null,
  egress_allow json not null,
  body bytea not null,
  status text not null default 'pending',
  attempt_count integer not null default 0,
  last_error_code text,
  last_error_message text,
  traceparent text not null,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  lane text not null,
  pool text not null default 'shared',
  due_at timestamptz,
  lease_until timestamptz,
  attempts integer not null default 0,
  epoch integer not null default 0,
  unique (run_id, target)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

create index deliveries_waiting on webhooks.deliveries (pool, lane, due_at) where lease_until is null and due_at is not null;
create index deliveries_held on webhooks.deliveries (pool, lease_until) where lease_until is not null;
create index deliveries_ended on webhooks.deliveries (created_at) where status <> 'pending';

create table webhooks.attempts (
  delivery_id text not null references webhooks.deliveries (id) on delete cascade,
  number integer not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  status integer,
  error_code text,
  response_headers json not null,
  response_body text not null,
  primary key (delivery_id, number)
);

create table webhooks.dead_letters (
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
