import { statement } from '@nightshift/postgres';

/** Takes the key $3 of route $2 for a body with hash $4, if it is free or older than a day. Waits for whoever is taking it. */
export const TAKE_KEY = statement(
  'webhooks.take_key',
  `insert into webhooks.idempotency_keys as k (org_id, route, key, body_hash, reply) values ($1, $2, $3, $4, 'null')
   on conflict (org_id, route, key) do update set body_hash = excluded.body_hash, reply = excluded.reply, created_at = now() where k.created_at < now() - interval '24 hours'
   returning k.key`,
);

/** Keeps what the request with the key was answered. */
export const KEEP_REPLY = statement('webhooks.keep_reply', 'update webhooks.idempotency_keys set reply = $4::json where org_id = $1 and route = $2 and key = $3');

/** What the request with the key was answered. */
export const FIND_KEY = statement('webhooks.find_key', 'select body_hash as "bodyHash", reply from webhooks.idempotency_keys where org_id = $1 and route = $2 and key = $3');

/** Deletes up to $1 keys that are free again. */
export const FORGET_KEYS = statement(
  'webhooks.forget_keys',
  `delete from webhooks.idempotency_keys where ctid in (select ctid from webhooks.idempotency_keys where created_at < now() - interval '25 hours' order by created_at limit $1) returning key`,
);
