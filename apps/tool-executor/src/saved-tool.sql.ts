import { statement } from '@nightshift/postgres';

const COLUMNS = `t.id, t.org_id as "orgId", t.name, t.description, t.tool, t.credentials, t.created_at as "createdAt", t.updated_at as "updatedAt"`;

/** Saves a tool with its idempotency key, unless its organisation has $2 tools; a key older than a day is taken over. Returns the tool if it was written. */
export const SAVE = statement(
  'tools.save',
  `with input as (
     select * from json_to_record($1::json) as x("toolId" text, "orgId" text, name text, description text, tool json, credentials json, key text, "bodyHash" text)
     where (select count(*) from tools.saved_tools t where t.org_id = x."orgId") < $2
   ), keys as (
     insert into tools.idempotency_keys as k (org_id, key, body_hash, reply)
     select "orgId", key, "bodyHash", json_build_object('id', "toolId", 'orgId', "orgId", 'name', name, 'description', description, 'tool', tool, 'credentials', credentials, 'createdAt', now(), 'updatedAt', now())
     from input where key is not null
     on conflict (org_id, key) do update set body_hash = excluded.body_hash, reply = excluded.reply, created_at = now()
       where k.created_at < now() - interval '24 hours'
     returning k.key
   )
   insert into tools.saved_tools as t (id, org_id, name, description, tool, credentials)
   select "toolId", "orgId", name, description, tool, credentials from input where key is null or key in (select key from keys)
   returning ${COLUMNS}`,
);

/** What the request with an idempotency key has saved. */
export const FIND_KEY = statement('tools.find_key', 'select body_hash as "bodyHash", reply from tools.idempotency_keys where org_id = $1 and key = $2');

/** An organisation's tools by name. */
export const LIST = statement('tools.list_saved', `select ${COLUMNS} from tools.saved_tools t where t.org_id = $1 order by t.name`);

/** An organisation's tools among $2, by id or name. */
export const FIND = statement('tools.find_saved', `select ${COLUMNS} from tools.saved_tools t where t.org_id = $1 and (t.id = any($2::text[]) or t.name = any($2::text[]))`);

/** One tool by id or name, locked until the transaction ends. */
export const LOCK = statement('tools.lock_saved', `select ${COLUMNS} from tools.saved_tools t where t.org_id = $1 and (t.id = $2 or t.name = $2) order by t.id = $2 desc limit 1 for update`);

/** Writes a changed tool. */
export const UPDATE = statement(
  'tools.update_saved',
  `update tools.saved_tools t set name = $2, description = $3, tool = $4::json, credentials = $5::json, updated_at = now() where t.id = $1 returning ${COLUMNS}`,
);

/** Deletes a tool by id or name. */
export const REMOVE = statement(
  'tools.remove_saved',
  'delete from tools.saved_tools where id = (select t.id from tools.saved_tools t where t.org_id = $1 and (t.id = $2 or t.name = $2) order by t.id = $2 desc limit 1) returning id',
);

/** Deletes up to $1 idempotency keys that are free again. */
export const FORGET_KEYS = statement(
  'tools.forget_keys',
  `delete from tools.idempotency_keys where ctid in (select ctid from tools.idempotency_keys where created_at < now() - interval '25 hours' limit $1) returning key`,
);
