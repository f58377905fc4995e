create table webhooks.subscriptions (
  id text primary key,
  org_id text not null,
  callback_url text not null,
  egress_allow json not null,
  event_types json not null,
  filters json not null,
  secret text,
  previous_secret text,
  previous_until timestamptz,
  headers text,
  header_names json not null,
  description text,
  enabled boolean not null,
  disabled_reason text,
  disabled_at timestamptz,
  active_since timestamptz not null default now(),
  retry_seconds json,
  rate_per_minute integer,
  concurrency integer,
  ordered boolean not null,
  version integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index subscriptions_of_org on webhooks.subscriptions (org_id, id);

create table webhooks.idempotency_keys (
  org_id text not null,
  route text not null,
  key text not null,
  body_hash text not null,
  reply json not null,
  created_at timestamptz not null default now(),
  primary key (org_id, route, key)
);
create index idempotency_keys_by_age on webhooks.idempotency_keys (created_at);

-- Canaries and tests are of no run.
alter table webhooks.deliveries alter column run_id drop not null, add column subscription_id text;
alter table webhooks.attempts add column request_headers json not null default '{}';
create index deliveries_of_org on webhooks.deliveries (org_id, id);
create index deliveries_of_subscription on webhooks.deliveries (subscription_id, id) where subscription_id is not null;
