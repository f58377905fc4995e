-- Processes say here which pool's turns they make; who has been silent for ten seconds counts as gone.
create table engine.pool_members (
  id text primary key,
  pool text not null,
  seen_at timestamptz not null default now(),
  left_at timestamptz
);

-- The engines that each pool serves, as the process that began last has them. It outlives the pool's processes: runs wait for them.
create table engine.pool_catalogues (
  pool text primary key,
  catalogue json not null,
  changed_at timestamptz not null default now()
);
