-- A subscription's own lane, as its deliveries name it.
alter table webhooks.subscriptions
  add column lane text generated always as (org_id || ' ' || id) stored,
  add column notice_due boolean not null default false;
create unique index subscriptions_by_lane on webhooks.subscriptions (lane);
create index subscriptions_enabled on webhooks.subscriptions (org_id) where enabled;
create index subscriptions_to_announce on webhooks.subscriptions (id) where notice_due;

-- What is remembered of a lane: only of those that have failed, or whose rate is limited.
create table webhooks.endpoints (
  lane text primary key,
  failures integer not null default 0,
  failing_since timestamptz,
  failed_at timestamptz,
  pauses integer not null default 0,
  paused_until timestamptz,
  rate_at timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
create index endpoints_failing on webhooks.endpoints (failing_since) where failing_since is not null;

-- Attempts that were made before the schedule began anew.
alter table webhooks.deliveries add column schedule_from integer not null default 0;
create index deliveries_dead on webhooks.deliveries (org_id, id) where status = 'dead';
