alter table gateway.api_keys add column limits json not null default '{}';
