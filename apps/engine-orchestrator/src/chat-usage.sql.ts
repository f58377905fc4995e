import { outboxCte, statement } from '@nightshift/postgres';

/** Stores what plain calls have used, each once, with the events that say so. Returns the calls that were new. */
export const INSERT_CALLS = statement(
  'engine.insert_plain_calls',
  `with written as (
     insert into engine.plain_calls (call_id, org_id, api_key_id, engine, body)
     select "callId", "orgId", "apiKeyId", engine, body
     from json_to_recordset($1::json) as x("callId" text, "orgId" text, "apiKeyId" text, engine text, body json)
     order by 1
     on conflict (call_id) do nothing
     returning call_id as ref
   ), ${outboxCte('engine', '$2', 'written')}
   select ref as id from written`,
);

/** Deletes up to $2 calls that are more than $1 days old. */
export const FORGET_CALLS = statement(
  'engine.forget_plain_calls',
  `delete from engine.plain_calls where call_id in (select call_id from engine.plain_calls where created_at < now() - $1 * interval '1 day' order by created_at limit $2) returning call_id`,
);
