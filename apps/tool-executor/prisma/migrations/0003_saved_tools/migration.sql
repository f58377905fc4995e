create table tools.saved_tools (
  id text primary key,
  org_id text not null,
  name text not null,
  description text,
  tool json not null,
  credentials json not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint saved_tools_name unique (org_id, name)
);

create table tools.idempotency_keys (
  org_id text not null,
  key text not null,
  body_hash text not null,
  reply json not null,
  created_at timestamptz not null default now(),
  primary key (org_id, key)
);
create index idempotency_keys_by_age on tools.idempotency_keys (created_at);
