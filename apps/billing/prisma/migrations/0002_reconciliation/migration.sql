-- What the run says it used, where its announcement said so, to be compared with what its turns were counted as.
alter table billing.finished_runs
  add column input_tokens bigint,
  add column output_tokens bigint,
  add column counted_at timestamptz not null default now();
create index finished_runs_by_counted on billing.finished_runs (counted_at);

-- Runs whose counted usage is not what they say.
create table billing.disagreements (
  run_id text primary key,
  org_id text not null,
  found_at timestamptz not null default now()
);

-- One row: all runs that were counted until then have been compared.
create table billing.reconciliation (
  only_one boolean primary key default true check (only_one),
  compared_until timestamptz not null default now()
);
insert into billing.reconciliation default values;
