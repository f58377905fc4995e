import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RunFinished } from '@nightshift/contracts';
import { InternalClient, type InternalTransport } from '@nightshift/http';
import { type Bus, LocalBus } from '@nightshift/messaging';
import { migrate } from '@nightshift/postgres';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Surroundings } from '@nightshift/service';
import { must, newId } from '@nightshift/std';
import { testDatabase } from '@nightshift/testing';
import { deliveriesOf } from '../src/announcement.ts';
import type { NewDelivery } from '../src/delivery.ts';
import { buildWebhookDispatcher, WebhookEnvironment } from '../src/index.ts';

const migrations = new URL('../prisma/migrations/', import.meta.url);
const sql = globSync('*/migration.sql', { cwd: fileURLToPath(migrations) }).sort().map((path) => readFileSync(new URL(path, migrations), 'utf8'));
const log = createLog({ level: 'silent', format: 'json' });

/** A database with the tables of webhook-dispatcher. */
export function webhookDatabase() {
  const template = `webhooks ${createHash('sha256').update(sql.join('\n')).digest('hex')}`;
  return testDatabase({ template, migrate: async (url) => void (await migrate({ url, schema: 'webhooks', folder: fileURLToPath(migrations) })) });
}

/** What runs would answer, by path without its query. */
export type Answer = (path: string, query: URLSearchParams, body: unknown) => { status?: number; body: unknown };

export const nothingFinished: Answer = () => ({ body: { events: [], nextCursor: null } });

/** One webhook-dispatcher with a bus of its own. */
export interface Dispatcher {
  /** Resolves when the announcements are committed or dead-lettered. */
  publish(...events: RunFinished[]): Promise<void>;
  /** Tells it that messages may have passed unseen. */
  gap(): void;
  /** One request of the gateway. */
  call<T = Record<string, unknown>>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<{ status: number; body: T }>;
  /** Paths it has asked runs for. */
  readonly asked: string[];
  stop(graceMs?: number): Promise<void>;
}

/** The key that dispatchers encrypt with. */
export const ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64');
const TOKEN = 'token-of-the-gateway';
const TRACE = '00-11111111111111111111111111111111-2222222222222222-01';

class ForgetfulBus extends LocalBus {
  gap = (): void => undefined;

  override subscribe(subscription: Parameters<Bus['subscribe']>[0]): ReturnType<Bus['subscribe']> {
    this.gap = subscription.onGap;
    return super.subscribe(subscription);
  }
}

export async function startDispatcher(databaseUrl: string, environment: Record<string, string> = {}, runs: Answer = nothingFinished): Promise<Dispatcher> {
  const bus = new ForgetfulBus();
  const shutdown = new Shutdown();
  const asked: string[] = [];
  const transport: InternalTransport = (request) => {
    const url = new URL(request.path, 'http://runs');
    asked.push(url.pathname);
    const { status = 200, body } = runs(url.pathname, url.searchParams, request.body === undefined ? undefined : JSON.parse(request.body));
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
    client: () => new InternalClient(transport, 'token'),
  };
  const service = await buildWebhookDispatcher(WebhookEnvironment.parse({ EGRESS_ALLOW: '127.0.0.0/8', WORK_LEASE_MS: '3000', ENCRYPTION_KEY, ...environment }), around);
  await service.consume();
  service.start();
  return {
    asked,
    gap: () => bus.gap(),
    call: async (method, path, body) => {
      const reply = await service.app.inject({ method, url: path, headers: { authorization: `Bearer ${TOKEN}` }, ...(body && { payload: body }) });
      return { status: reply.statusCode, body: reply.payload === '' ? undefined : JSON.parse(reply.payload) };
    },
    publish: async (...events) => void (await Promise.all(events.map((payload) => bus.publish({ id: newId('evt'), topic: 'run.finished', pool: 'shared', key: payload.runId, payload, traceparent: TRACE })))),
    stop: (graceMs = 2000) => shutdown.run(log, graceMs),
  };
}

/** The announcement of a run that has succeeded. */
export function finishedRun(callbackUrl: string | undefined, more: Partial<RunFinished> = {}): RunFinished {
  return {
    runId: newId('run'),
    orgId: 'org_1',
    apiKeyId: 'key_1',
    engine: 'tim-gpt',
    status: 'succeeded',
    ...(callbackUrl !== undefined && { callbackUrl }),
    usage: { inputTokens: 10, outputTokens: 2, cachedInputTokens: 0, toolCalls: {} },
    createdAt: new Date().toISOString(),
    startedAt: new Date().toISOString(),
    completedAt: new Date().toISOString(),
    body: { result: { answer: 'yes' }, error: null, metadata: null },
    ...more,
  };
}

/** The delivery to the callback of a run. */
export function callbackDelivery({ body, ...run }: RunFinished): NewDelivery {
  return must(deliveriesOf({ ...run, traceparent: TRACE }, must(body, 'body'), [])[0], 'delivery');
}
