-- Ids of events grow with time, so their primary key is an order by age as well.
drop index engine.outbox_by_age;

-- A journal is deleted with its session by the statement that forgets it; checking each entry cost a lock of the session's row.
alter table engine.journal drop constraint journal_run_id_fkey;
