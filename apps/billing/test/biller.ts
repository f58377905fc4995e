import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RunFinished, UsageRecorded } from '@nightshift/contracts';
import { InternalClient, type InternalTransport } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { migrate } from '@nightshift/postgres';
import { InProcessHints } from '@nightshift/run-stream';
import { type App, createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Surroundings } from '@nightshift/service';
import { newId } from '@nightshift/std';
import { testDatabase } from '@nightshift/testing';
import { buildBilling } from '../src/index.ts';

const migrations = new URL('../prisma/migrations/', import.meta.url);
const migration = globSync('*/migration.sql', { cwd: fileURLToPath(migrations) }).sort().map((path) => readFileSync(new URL(path, migrations), 'utf8')).join('');
const log = createLog({ level: 'silent', format: 'json' });
const TOKEN = 'token-of-the-gateway';

/** A database with the tables of billing. */
export function billingDatabase() {
  const template = `billing ${createHash('sha256').update(migration).digest('hex')}`;
  return testDatabase({ template, migrate: async (url) => void (await migrate({ url, schema: 'billing', folder: fileURLToPath(migrations) })) });
}

/** What a neighbour would answer to a request for a page. */
export type Answer = (neighbour: App, cursor: string | null) => { status?: number; body: unknown };

export const nothingMissed: Answer = () => ({ body: { events: [], nextCursor: null } });

/** One billing service with a bus of its own. */
export interface Biller {
  /** Both resolve when the events are committed or dead-lettered. */
  recorded(...events: UsageRecorded[]): Promise<void>;
  finished(...events: RunFinished[]): Promise<void>;
  get(query: string, token?: string): Promise<{ status: number; body: Record<string, unknown> }>;
  /** How long until limits of tokens in a minute hold again. */
  wait(query: Record<string, string | number>): Promise<{ orgMs: number; keyMs: number }>;
  stop(): Promise<void>;
}

export async function startBiller(databaseUrl: string, answer: Answer = nothingMissed): Promise<Biller> {
  const bus = new LocalBus();
  const shutdown = new Shutdown();
  const transportTo = (neighbour: App): InternalTransport => (request) => {
    const { status = 200, body } = answer(neighbour, new URL(request.path, 'http://neighbour').searchParams.get('cursor'));
    return Promise.resolve({ status, body: JSON.stringify(body) });
  };
  const around: Surroundings = {
    log,
    bus,
    hints: new InProcessHints(),
    readiness: new ReadinessChecks(),
    shutdown,
    databaseUrl,
    connectionsMax: 4,
    pool: 'shared',
    onePool: undefined,
    serviceTokens: new Map([['gateway', TOKEN]]),
    neighbours: [],
    client: (neighbour) => new InternalClient(transportTo(neighbour), 'token'),
  };
  const service = await buildBilling({}, around);
  await service.consume();
  service.start();
  const publish = (topic: 'usage.recorded' | 'run.finished', events: readonly (UsageRecorded | RunFinished)[]) =>
    Promise.all(events.map((payload) => bus.publish({ id: newId('evt'), topic, pool: 'shared', key: payload.runId, payload, traceparent: undefined })));
  return {
    recorded: async (...events) => void (await publish('usage.recorded', events)),
    finished: async (...events) => void (await publish('run.finished', events)),
    get: async (query, token = TOKEN) => {
      const response = await service.app.inject({ method: 'GET', url: `/internal/usage?${query}`, headers: { authorization: `Bearer ${token}` } });
      return { status: response.statusCode, body: response.json() };
    },
    wait: async (query) => {
      const url = `/internal/usage/wait?${new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)] as [string, string])).toString()}`;
      return (await service.app.inject({ method: 'GET', url, headers: { authorization: `Bearer ${TOKEN}` } })).json();
    },
    stop: () => shutdown.run(log, 2000),
  };
}

/** What one turn has used. */
export function turn(runId: string, step: number, more: Partial<UsageRecorded> = {}): UsageRecorded {
  return {
    runId,
    step,
    orgId: 'org_1',
    apiKeyId: 'key_1',
    engine: 'tim-gpt',
    inputTokens: 100,
    outputTokens: 10,
    cachedInputTokens: 1,
    toolCalls: { web_search: 2, other: 1 },
    costMicroUsd: 1000,
    recordedAt: '2026-03-10T12:00:00.000Z',
    ...more,
  };
}

/** The announcement that a run has ended. */
export function ended(runId: string, more: Partial<RunFinished> = {}): RunFinished {
  return { runId, orgId: 'org_1', apiKeyId: 'key_1', engine: 'tim-gpt', status: 'succeeded', createdAt: '2026-03-10T11:00:00.000Z', completedAt: '2026-03-10T12:00:01.000Z', ...more };
}
