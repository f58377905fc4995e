-- Processes say here which pool's calls they make; who has been silent for ten seconds counts as gone.
create table tools.pool_members (
  id text primary key,
  pool text not null,
  seen_at timestamptz not null default now(),
  left_at timestamptz
);
