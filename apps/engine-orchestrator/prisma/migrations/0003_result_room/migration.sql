-- Bytes of tool results that a run may still gather; null before its first calls.
alter table engine.sessions add column result_room bigint;
