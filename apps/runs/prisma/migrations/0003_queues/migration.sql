-- Runs that wait for a dedicated pool, which may have no processes yet; runs of the shared pool pay nothing for it.
create index runs_queued on runs.runs (pool, created_at) where status = 'queued' and pool <> 'shared';
