create table gateway.orgs (
  id text primary key,
  name text not null,
  pool text not null default 'shared',
  limits json not null default '{}',
  egress_allow json not null default '[]',
  created_at timestamptz not null default now()
);

create table gateway.api_keys (
  id text primary key,
  org_id text not null references gateway.orgs (id),
  name text not null,
  prefix text not null,
  hash bytea not null unique,
  scopes json not null,
  answer_encoding text not null default 'object',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
create index api_keys_by_prefix on gateway.api_keys (prefix);
create index api_keys_by_org on gateway.api_keys (org_id, id);
