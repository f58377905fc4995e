import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { CreateSubscription, type Subscription } from '@nightshift/contracts';
import { connect, type Database, statement } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { type EndpointRequest, type FakeEndpoint, startFakeEndpoint, type TestDatabase, waitFor } from '@nightshift/testing';
import { type Answer, type Dispatcher, startDispatcher, webhookDatabase } from './dispatcher.ts';

/** A delivery as it stands in the table. */
export interface Row {
  id: string;
  runId: string | null;
  target: string;
  status: string;
  attemptCount: number;
  errorCode: string | null;
  held: boolean;
  attempts: number;
  epoch: number;
  /** Milliseconds until it is due. */
  inMs: number | null;
}

const DELIVERIES = statement(
  'test.deliveries',
  `select id, run_id as "runId", target, status, attempt_count as "attemptCount", last_error_code as "errorCode", lease_until is not null as held, attempts, epoch,
     (extract(epoch from due_at - now()) * 1000)::float8 as "inMs" from webhooks.deliveries order by id`,
);
const ATTEMPTS = statement('test.attempts', `select number, status, error_code as "errorCode", response_body as "responseBody" from webhooks.attempts where delivery_id = $1 order by number`);
const CLEAR = statement('test.clear', 'truncate webhooks.deliveries, webhooks.attempts, webhooks.dead_letters, webhooks.subscriptions, webhooks.idempotency_keys, webhooks.endpoints');

/** The database and the receiver of a test file; what a test has started is stopped after it. */
export class Stage {
  #database: TestDatabase | undefined;
  #db: Database | undefined;
  #endpoint: FakeEndpoint | undefined;
  #dispatchers: Dispatcher[] = [];

  constructor() {
    beforeAll(async () => {
      this.#database = await webhookDatabase();
      // Only what drops the database may end its connections.
      this.#db = connect({ url: this.#database.url, max: 2, name: 'test', onError: () => undefined });
      this.#endpoint = await startFakeEndpoint();
    });
    afterEach(async () => {
      await Promise.all(this.#dispatchers.splice(0).map((dispatcher) => dispatcher.stop(0)));
      await this.db.query(CLEAR);
      this.#endpoint?.reset();
    });
    afterAll(async () => {
      await this.#endpoint?.close();
      await this.#db?.close();
      await this.#database?.drop();
    });
  }

  get db(): Database {
    if (!this.#db) throw new Error('the stage is not set yet');
    return this.#db;
  }

  get databaseUrl(): string {
    return this.#database?.url ?? '';
  }

  async start(environment: Record<string, string> = {}, runs?: Answer): Promise<Dispatcher> {
    const dispatcher = await startDispatcher(this.databaseUrl, environment, runs);
    this.#dispatchers.push(dispatcher);
    return dispatcher;
  }

  hook(path: string): string {
    return `${this.#endpoint?.url}${path}`;
  }

  arrivals(prefix: string): EndpointRequest[] {
    return this.#endpoint?.requests({ prefix }) ?? [];
  }

  /** Runs a statement as it is. */
  sql<T>(text: string): Promise<T[]> {
    return this.db.query(statement(`test.${createHash('sha1').update(text).digest('hex')}`, text));
  }

  deliveries(): Promise<Row[]> {
    return this.db.query<Row>(DELIVERIES);
  }

  /** Makes a subscription of the organisation that the runs of these tests belong to. */
  async subscribe(dispatcher: Dispatcher, path: string, more: Partial<CreateSubscription> = {}, orgId = 'org_1'): Promise<Subscription> {
    const subscription = CreateSubscription.parse({ callbackUrl: this.hook(path), eventTypes: ['job.succeeded', 'job.failed'], ...more });
    const { status, body } = await dispatcher.call<{ subscription: Subscription }>('POST', '/internal/webhooks/subscriptions', { id: newId('whs'), orgId, egressAllow: [], subscription });
    expect(status).toBe(200);
    return body.subscription;
  }

  attemptsOf(id: string | undefined): Promise<{ number: number; status: number | null; errorCode: string | null; responseBody: string }[]> {
    return this.db.query(ATTEMPTS, [id]);
  }

  /** Waits until there are `count` deliveries and all have the status; returns them. */
  all(status: string, count: number): Promise<Row[]> {
    return waitFor(
      async () => {
        const rows = await this.deliveries();
        return rows.length === count && rows.every((row) => row.status === status) && rows;
      },
      { timeoutMs: 20_000, describe: `${count} deliveries ${status}` },
    );
  }
}
