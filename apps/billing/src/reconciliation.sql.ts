import { statement } from '@nightshift/postgres';

const DIFFERS = `exists (
    select from (select coalesce(sum(input_tokens), 0) as input, coalesce(sum(output_tokens), 0) as output from billing.usage_events where run_id = r.run_id) counted
    where (counted.input, counted.output) <> (r.input_tokens, r.output_tokens)
  )`;

/**
 * Compares the runs that were counted until $1 ms ago, $2 ms of them at most and each once, with what their turns were
 * counted as; and those that differed, again. Returns how far it has come and how many differ. Somebody else who is at it
 * has the row, and then nothing is compared.
 */
export const RECONCILE = statement(
  'billing.reconcile',
  `with slice as (
     select compared_until as since, greatest(compared_until, least(compared_until + $2 * interval '1 ms', now() - $1 * interval '1 ms')) as until
     from billing.reconciliation for update skip locked
   ), found as (
     insert into billing.disagreements (run_id, org_id)
     select r.run_id, r.org_id from slice s join billing.finished_runs r on r.counted_at > s.since and r.counted_at <= s.until
     where r.input_tokens is not null and ${DIFFERS}
     on conflict do nothing
   ), settled as (
     delete from billing.disagreements d using slice s, billing.finished_runs r where r.run_id = d.run_id and not (${DIFFERS})
   ), moved as (
     update billing.reconciliation set compared_until = s.until from slice s where s.until > s.since
   )
   select extract(epoch from now() - s.until)::float8 * 1000 > $1 + 1000 as "isBehind" from slice s`,
);

/** How many runs differ. */
export const COUNT_DISAGREEMENTS = statement('billing.count_disagreements', 'select count(*)::int as runs from billing.disagreements');
