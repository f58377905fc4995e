import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { InternalClient, injectTransport } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { connect, type Database, migrate } from '@nightshift/postgres';
import { hearEnds, InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Service, Surroundings } from '@nightshift/service';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import { InternalDurations, InternalRunCreated, InternalRunIds, RunView } from '@nightshift/contracts';
import { buildRuns } from '../src/index.ts';
import { RunStore } from '../src/run.store.ts';
import { newRun, usage } from './stage.ts';

const folder = new URL('../prisma/migrations/', import.meta.url);
const migration = readFileSync(new URL('0001_init/migration.sql', folder));
const log = createLog({ level: 'silent', format: 'json' });

let database: TestDatabase;
let db: Database;
let service: Service;
let around: Surroundings;
let client: InternalClient;
const heard: string[] = [];

beforeAll(async () => {
  const template = `runs ${createHash('sha256').update(migration).digest('hex')}`;
  database = await testDatabase({ template, migrate: async (url) => void (await migrate({ url, schema: 'runs', folder: fileURLToPath(folder) })) });
  db = connect({ url: database.url, max: 1, name: 'test', onError: (err) => console.error(err) });
  const hints = new InProcessHints();
  hearEnds(hints, (ids) => heard.push(...ids));
  around = {
    log, bus: new LocalBus(), hints, readiness: new ReadinessChecks(), shutdown: new Shutdown(), databaseUrl: database.url, connectionsMax: 4,
    pool: 'shared', onePool: undefined, serviceTokens: new Map([['gateway', 'token']]), neighbours: [], client: () => client,
  };
  service = await buildRuns({ RUN_RETENTION_DAYS: 30 }, around);
  client = new InternalClient(injectTransport((request) => service.app.inject(request)), 'token');
});
afterAll(async () => {
  await around.shutdown.run(log, 1000);
  await db.close();
  await database.drop();
});

async function create(engine: string): Promise<string> {
  return (await client.call({ method: 'POST', path: '/internal/runs', body: newRun({ engine }) }, InternalRunCreated)).runId;
}

const end = (runIds: readonly string[]) => service.app.get(RunStore).apply(runIds.map((runId) => ({ runId, event: { kind: 'outcome', usage, outcome: { status: 'succeeded', result: { answer: 'x' } } } })));

test('whoever listens hears of each run that has ended, once, and of no other', async () => {
  const [answered, canceled, open] = [await create('tim'), await create('tim'), await create('tim')];
  await service.app.get(RunStore).apply([{ runId: open, event: { kind: 'started' } }]);
  await end([answered]);
  await end([answered]);
  await client.call({ method: 'POST', path: `/internal/runs/${canceled}/cancel?orgId=org_1` }, RunView);
  await waitFor(() => heard.length >= 2);
  expect(heard.toSorted()).toEqual([answered, canceled].toSorted());
  const asked = { method: 'POST', path: '/internal/ended-runs', body: { runIds: [open, canceled, 'run_none', answered] } } as const;
  expect((await client.call(asked, InternalRunIds)).runIds.toSorted()).toEqual([answered, canceled].toSorted());
});

test('how long runs take is told by engine, of those that have succeeded', async () => {
  const quick = [await create('quick'), await create('quick'), await create('quick')];
  const canceled = await create('broken');
  await end(quick);
  await service.app.get(RunStore).apply([{ runId: canceled, event: { kind: 'cancel' } }]);
  const seconds = [1, 2, 60];
  for (const [index, runId] of quick.entries()) await db.pool.query("update runs.runs set completed_at = created_at + $1 * interval '1 s' where id = $2", [seconds[index], runId]);
  const { medianMs } = await client.call({ method: 'GET', path: '/internal/durations' }, InternalDurations);
  expect(medianMs['quick']).toBe(2000);
  expect(medianMs).not.toHaveProperty('broken');
});
