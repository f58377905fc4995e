import { Controller } from '@nestjs/common';
import { createApp } from '@nightshift/http';
import { type Bus, BusStrategy, Consumes, DeadLettersController, DeadLetterStore, LocalBus, type Message } from '@nightshift/messaging';
import { connect, type Database } from '@nightshift/postgres';
import { createLog, ReadinessChecks } from '@nightshift/runtime';
import { testDatabase } from '@nightshift/testing';
import pg from 'pg';

const TABLES = `create schema app;
  create table app.dead_letters (id text primary key, event_id text not null, topic text not null, key text not null, payload text not null, headers json not null,
    error text not null, attempts integer not null, created_at timestamptz not null default now(), unique (event_id, topic))`;

export const silent = createLog({ level: 'silent', format: 'json' });

/** A database with the dead letters of one service. */
export async function deadLetterDatabase(): Promise<{ db: Database; store: DeadLetterStore; close: () => Promise<void> }> {
  const database = await testDatabase({
    template: TABLES,
    migrate: async (url) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(TABLES);
      await client.end();
    },
  });
  const db = connect({ url: database.url, max: 4, name: 'test', onError: (err) => console.error(err) });
  return {
    db,
    store: new DeadLetterStore(db, 'app', 'test-service'),
    close: async () => {
      await db.close();
      await database.drop();
    },
  };
}

/** The run ids of a batch of `run.commanded`. */
export type Take = (runIds: string[], messages: readonly Message<'run.commanded'>[]) => Promise<void> | void;

/** A service that consumes `run.commanded`, as Nest builds it. */
export async function consumingService(store: DeadLetterStore, take: Take, { bus = new LocalBus(), pool = 'shared', onGap = () => undefined }: { bus?: Bus; pool?: string; onGap?: () => void } = {}) {
  @Controller()
  class RunConsumer {
    @Consumes('run.commanded')
    async commanded(messages: readonly Message<'run.commanded'>[]): Promise<void> {
      await take(messages.map(({ payload }) => payload.runId), messages);
    }
  }
  const readiness = new ReadinessChecks();
  const strategy = new BusStrategy({ bus, service: 'test-service', pool, deadLetters: () => store, readiness, log: silent, onGap });
  class ServiceModule {}
  const providers = [{ provide: DeadLetterStore, useValue: store }, { provide: BusStrategy, useValue: strategy }];
  const app = await createApp({ module: ServiceModule, controllers: [RunConsumer, DeadLettersController], providers }, { name: 'test-service', log: silent });
  app.connectMicroservice({ strategy }, { inheritAppConfig: true });
  await app.init();
  await app.startAllMicroservices();
  return { bus, readiness, strategy, controller: app.get(DeadLettersController), close: () => app.close() };
}

/** The command to stop a run, which is the smallest payload of `run.commanded`. */
export const stop = (runId: string) => ({ command: 'stop', runId, orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', engine: 'tim', status: 'canceled' });
