import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, type Database } from '@nightshift/postgres';
import { createLog, metricsText } from '@nightshift/runtime';
import { ReconciliationLoop } from '../src/reconciliation.loop.ts';
import { type Biller, billingDatabase, ended, startBiller, turn } from './biller.ts';

const NOW = 0;
const log = createLog({ level: 'silent', format: 'json' });
const usage = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens, cachedInputTokens: 0, toolCalls: {} });
let database: Awaited<ReturnType<typeof billingDatabase>>;
let db: Database;
let biller: Biller;
let loop: ReconciliationLoop;

beforeAll(async () => {
  database = await billingDatabase();
  biller = await startBiller(database.url);
  db = connect({ url: database.url, max: 2, name: 'test', onError: () => undefined });
  loop = new ReconciliationLoop(db, log);
});
afterAll(async () => {
  await db.close();
  await biller.stop();
  await database.drop();
});

test('runs whose turns add up to what they say agree; a run of which nothing is known is not judged', async () => {
  await biller.recorded(turn('run_1', 0), turn('run_1', 1));
  await biller.finished(ended('run_1', { usage: usage(200, 20) }), ended('run_2'), ended('run_3', { usage: usage(0, 0) }));
  expect(await loop.compare(NOW)).toBe(0);
});

test('a run whose usage was lost, or counted twice, is told of until it agrees', async () => {
  await biller.recorded(turn('run_4', 0), turn('run_5', 0), turn('run_5', 1));
  await biller.finished(ended('run_4', { usage: usage(200, 20) }), ended('run_5', { usage: usage(100, 10) }));
  expect(await loop.compare(NOW)).toBe(2);
  expect((await metricsText()).text).toContain('nightshift_usage_disagreements 2');
  expect(await loop.compare(NOW)).toBe(2);
  // The turn that was late.
  await biller.recorded(turn('run_4', 1));
  expect(await loop.compare(NOW)).toBe(1);
});

test('a run that ended a moment ago is left alone until its turns have had time to come', async () => {
  await biller.finished(ended('run_6', { usage: usage(100, 10) }));
  expect(await loop.compare(60_000)).toBe(1);
  expect(await loop.compare(NOW)).toBe(2);
});

test('usage is counted in the metrics by organisation, once however often it is told', async () => {
  const late = turn('run_7', 0, { orgId: 'org_metrics', costMicroUsd: 2_500_000 });
  await biller.recorded(late, late);
  await biller.recorded(late);
  await biller.finished(ended('run_7', { orgId: 'org_metrics' }));
  const { text } = await metricsText();
  for (const line of ['nightshift_usage_tokens_total{org="org_metrics",kind="input"} 100', 'nightshift_usage_tokens_total{org="org_metrics",kind="output"} 10', 'nightshift_usage_cost_usd_total{org="org_metrics"} 2.5', 'nightshift_usage_runs_total{org="org_metrics"} 1']) {
    expect(text).toContain(line);
  }
});
