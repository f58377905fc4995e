alter table gateway.api_keys add column run_limits json not null default '{}';
