import { describe, expect, test } from '@jest/globals';
import { type Backlog, backlogStatement, claimStatement } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { DELIVERIES } from '../src/delivery.sql.ts';
import { finishedRun } from './dispatcher.ts';
import { Stage } from './stage.ts';

const stage = new Stage();
const MANY = 100_000;
const SLOTS = 128;
const LANE_MAX = 20;

/** Makes subscriptions of `org_1`, and so many due deliveries for each. */
async function waiting(...counts: [id: string, deliveries: number][]): Promise<void> {
  for (const [id, count] of counts) {
    await stage.sql(`insert into webhooks.subscriptions (id, org_id, callback_url, egress_allow, event_types, filters, header_names, enabled, ordered, version)
      values ('${id}', 'org_1', 'http://127.0.0.1:9/', '[]', '[]', '{}', '[]', true, false, 1)`);
    await stage.sql(`insert into webhooks.deliveries (id, org_id, run_id, target, subscription_id, event, endpoint, url, egress_allow, body, traceparent, lane, due_at)
      select 'whd_${id}' || n, 'org_1', 'run_' || n, '${id}', '${id}', 'job.succeeded', 'http://127.0.0.1:9/', 'http://127.0.0.1:9/', '[]', '{}', '00-11111111111111111111111111111111-2222222222222222-01', 'org_1 ${id}', now()
      from generate_series(1, ${count}) n`);
  }
}

const analyze = () => stage.sql('analyze webhooks.deliveries');
const pause = (id: string, until: string) => stage.sql(`insert into webhooks.endpoints (lane, failures, paused_until) values ('org_1 ${id}', 5, ${until}) on conflict (lane) do update set paused_until = excluded.paused_until`);
const enable = (id: string, enabled: boolean) => stage.sql(`update webhooks.subscriptions set enabled = ${enabled} where id = '${id}'`);
const hold = (id: string, count: number) => stage.sql(`update webhooks.deliveries set lease_until = now() + interval '1 hour' where id in (select id from webhooks.deliveries where subscription_id = '${id}' limit ${count})`);
const backlog = async () => (await stage.db.query<Backlog>(backlogStatement(DELIVERIES), ['shared', LANE_MAX]))[0];

interface Plan {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

/** How many deliveries a plan has read. */
function rowsRead(plan: Plan): number {
  const own = plan['Relation Name'] === 'deliveries' ? (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'] : 0;
  return (plan.Plans ?? []).reduce((sum, inner) => sum + rowsRead(inner), own);
}

/** What one claim for all slots reads, as the database plans it for these values and for any; what it has claimed is given back. */
async function claimReads(): Promise<number[]> {
  const client = await stage.db.pool.connect();
  try {
    const reads: number[] = [];
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      await client.query('begin');
      await client.query(`set local plan_cache_mode = ${mode}`);
      await client.query(`prepare claim as ${claimStatement(DELIVERIES).text}`);
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(`explain (analyze, format json) execute claim ('shared', ${SLOTS}, 15000, '', ${LANE_MAX}, '{}', '{}')`);
      reads.push(rowsRead(rows[0]!['QUERY PLAN'][0].Plan));
      await client.query('rollback');
      await client.query('deallocate claim');
    }
    return reads;
  } finally {
    client.release();
  }
}

describe('100,000 deliveries that wait for a dead endpoint', () => {
  test('are not read by a claim, and hold up nobody else', async () => {
    await waiting(['whs_dead', MANY]);
    await analyze();
    const states: [string, () => Promise<unknown>][] = [
      ['nothing known yet', () => Promise.resolve()],
      ['as many under way as may be', () => hold('whs_dead', LANE_MAX)],
      ['probed after a pause', () => pause('whs_dead', 'now()')],
      ['disabled', () => enable('whs_dead', false)],
      ['paused', async () => [await enable('whs_dead', true), await pause('whs_dead', "now() + interval '1 hour'")]],
    ];
    const most: [string, number][] = [];
    for (const [state, make] of states) {
      await make();
      most.push([state, Math.max(...(await claimReads()))]);
    }
    // What is under way is counted, what is claimed is found, locked and written; nothing in proportion to what waits.
    expect(most.filter(([, rows]) => rows > 10 * LANE_MAX)).toEqual([]);

    const dispatcher = await stage.start();
    await dispatcher.publish(finishedRun(stage.hook('/well'), { orgId: 'org_2' }));
    await waitFor(() => stage.arrivals('/well').length === 1, { timeoutMs: 20_000 });
    expect(await stage.sql(`select attempt_count from webhooks.deliveries where subscription_id = 'whs_dead' and attempt_count > 0`)).toEqual([]);
  }, 120_000);
});

test.each([[0], [50], [5000]])('100,000 deliveries that came after the database had seen %s, none of them waiting, are not read by a claim', async (ended) => {
  await stage.sql('alter table webhooks.deliveries set (autovacuum_enabled = false)');
  await waiting(['whs_ended', ended]);
  await stage.sql("update webhooks.deliveries set status = 'delivered', due_at = null");
  await stage.sql('vacuum analyze webhooks.deliveries');
  await waiting(['whs_dead', MANY]);
  expect(Math.max(...(await claimReads()))).toBeLessThan(10 * LANE_MAX);
});

describe('the backlog', () => {
  test('is what could be sent now; what waits for its endpoint is told apart, by the reason', async () => {
    await waiting(['whs_well', 3], ['whs_busy', 30], ['whs_paused', 5], ['whs_disabled', 7], ['whs_later', 2]);
    await hold('whs_busy', LANE_MAX - 4);
    await pause('whs_paused', "now() + interval '1 hour'");
    await enable('whs_disabled', false);
    await stage.sql(`update webhooks.deliveries set due_at = case subscription_id when 'whs_later' then now() + interval '1 hour' when 'whs_well' then now() - interval '100 seconds' else now() - interval '1 hour' end where lease_until is null and subscription_id <> 'whs_busy'`);
    expect(await backlog()).toEqual({ rows: 3 + 4, oldestSeconds: expect.any(Number), blocked: { limited: 30 - (LANE_MAX - 4) - 4, paused: 5, disabled: 7 } });
    expect(Math.round((await backlog())?.oldestSeconds ?? 0)).toBeGreaterThanOrEqual(100);
    expect((await backlog())?.oldestSeconds).toBeLessThan(3000);
    await enable('whs_disabled', true);
    expect(await backlog()).toMatchObject({ rows: 3 + 4 + 7, blocked: { paused: 5 } });
    expect((await backlog())?.oldestSeconds).toBeGreaterThan(3000);
  });

  test('of many is counted up to 10,000, those first that could be sent', async () => {
    await waiting(['whs_dead', 12_000], ['whs_well', 10]);
    await pause('whs_dead', "now() + interval '1 hour'");
    expect(await backlog()).toMatchObject({ rows: 10, blocked: { paused: 9990 } });
  });
});
