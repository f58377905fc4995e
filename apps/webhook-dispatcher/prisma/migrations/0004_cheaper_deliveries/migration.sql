-- A claim passes over all lanes of an organisation in one step, which takes an order by bytes.
alter table webhooks.deliveries alter column lane type text collate "C";
alter table webhooks.subscriptions alter column lane type text collate "C";
alter table webhooks.endpoints alter column lane type text collate "C";

-- Its check costs each attempt a lock of its delivery. Deliveries are deleted together with their attempts.
alter table webhooks.attempts drop constraint attempts_delivery_id_fkey;

-- Rows written at once are due at once. As one entry of the index they would be read again and again until all of them are gone.
alter index webhooks.deliveries_waiting set (deduplicate_items = off);
alter index webhooks.deliveries_held set (deduplicate_items = off);
