import { fileURLToPath } from 'node:url';
import type { DynamicModule } from '@nestjs/common';
import { type OutgoingEvent, topicName } from '@nightshift/contracts';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp, type LocalRoutes, type StreamRoute } from '@nightshift/http';
import { BusStrategy, DeadLetterStore, EventRefused, sendTraced } from '@nightshift/messaging';
import { connect, type Database, isInfrastructure, migrate, Relay, statement } from '@nightshift/postgres';
import { type Logger, metrics } from '@nightshift/runtime';
import { measure } from './measure.loop.ts';
import type { Surroundings } from './surroundings.ts';

/** What every module gets injected: its database, and how a commit hands its events on. */
export interface Parts {
  readonly db: Database;
  readonly relay: Relay;
  readonly deadLetters: DeadLetterStore;
  readonly strategy: BusStrategy | undefined;
  /** Runs when everything is connected: loops begin here. */
  readonly onStart: (start: () => void) => void;
  /** Runs when messages may have passed unseen. */
  readonly onGap: (catchUp: () => void) => void;
}

/** A service that is built and not yet started. */
export interface Service {
  readonly name: string;
  readonly app: NestFastifyApplication;
  readonly log: Logger;
  readonly localRoutes: LocalRoutes;
  readonly streamRoutes: ReadonlyMap<string, StreamRoute>;
  /** Begins to consume. */
  consume(): Promise<void>;
  /** Begins to work, and to sweep up events that were not published. */
  start(): void;
}

/** How one service is made. */
export interface ServiceOptions {
  readonly name: string;
  /** Its Postgres schema. */
  readonly schema: string;
  /** Folder of its migrations. */
  readonly migrations: URL;
  /** False for a service that consumes no topic and publishes nothing. */
  readonly onBus: boolean;
  /** False for a service that only consumes: its schema has no outbox. By default whoever is on the bus publishes. */
  readonly publishes?: boolean;
  /** Where nobody waits for what it consumes: how long messages may gather in the brokers first, in milliseconds. */
  readonly gatherMs?: number | undefined;
  readonly module: (parts: Parts) => DynamicModule;
  /** Its hottest routes, for callers in the same process. */
  readonly localRoutes?: (app: NestFastifyApplication) => LocalRoutes;
  /** Its routes whose answers come in pieces, by path, for callers in the same process; each checks its body as over HTTP. */
  readonly streamRoutes?: (app: NestFastifyApplication) => ReadonlyMap<string, StreamRoute>;
  /** Adds routes and hooks of its own. */
  readonly beforeInit?: (app: NestFastifyApplication) => void;
}

const PING = statement('service.ping', 'select 1');
const WAIT_FOR_DATABASE_MS = 500;
const HANG_UP_MS = 3000;

/** Migrates, connects and builds one service. Waits for its database for as long as it takes. */
export async function buildService(options: ServiceOptions, around: Surroundings): Promise<Service> {
  const { name, schema } = options;
  const publishes = options.publishes ?? options.onBus;
  const { log } = around;
  await migrateWhenReachable(options, around, log);
  const db = connect({ url: around.databaseUrl, max: around.connectionsMax, name: `nightshift-${name}`, onError: (err) => noteLost(err, log) });
  const publish = (event: Omit<OutgoingEvent, 'ref'>): Promise<void> => sendTraced(around.bus, event);
  const deadLetters = new DeadLetterStore(db, schema, name);
  const giveUp = async (event: Omit<OutgoingEvent, 'ref'>, err: unknown): Promise<boolean> => {
    if (!(err instanceof EventRefused)) return false;
    await deadLetters.add({ message: { id: event.id, topic: topicName(event.topic, event.pool), key: event.key, value: event.payload, headers: {} }, error: err.message, attempts: 1 });
    metrics.deadLetters.inc({ service: name, topic: event.topic });
    log.error({ topic: event.topic, eventId: event.id, errorCode: 'event_refused' }, 'event became a dead letter');
    return true;
  };
  const relay = new Relay({ db, schema, publish, giveUp, onTrouble: (err) => log.debug({ err }, 'event not published yet') });
  const starts: (() => void)[] = [];
  const gaps: (() => void)[] = [];
  const strategy = options.onBus
    ? new BusStrategy({ bus: around.bus, service: name, pool: around.pool, gatherMs: options.gatherMs, deadLetters: () => deadLetters, readiness: around.readiness, log, onGap: () => gaps.forEach((gap) => gap()) })
    : undefined;
  const module = options.module({ db, relay, deadLetters, strategy, onStart: (start) => starts.push(start), onGap: (gap) => gaps.push(gap) });
  const app = await createApp(module, { name, log, isStopping: () => around.shutdown.started, ...(options.onBus && { serviceTokens: around.serviceTokens, bodyBytesMax: INTERNAL_BODY_BYTES_MAX, bodyLevelsMax: INTERNAL_BODY_LEVELS_MAX }) });
  if (strategy) app.connectMicroservice({ strategy }, { inheritAppConfig: true });
  options.beforeInit?.(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  around.readiness.add(() => databaseCheck(db, log));
  around.shutdown.add('flush', `${name} outbox`, () => (publishes ? relay.stop() : undefined));
  // Before what its last requests and messages are answered with: clients, hints, the bus. Who does not take what was answered is not waited for.
  around.shutdown.add('hang_up', `${name} app`, async () => {
    const timer = setTimeout(() => app.getHttpServer().closeAllConnections(), HANG_UP_MS);
    await app.close();
    clearTimeout(timer);
  });
  around.shutdown.add('close', `${name} database`, () => db.close());
  return {
    name,
    app,
    log,
    localRoutes: options.localRoutes?.(app) ?? new Map(),
    streamRoutes: options.streamRoutes?.(app) ?? new Map(),
    consume: async () => void (await app.startAllMicroservices()),
    start: () => {
      measure({ name, schema, onBus: options.onBus, publishes }, db, around);
      if (publishes) relay.start();
      for (const start of starts) start();
    },
  };
}

const INTERNAL_BODY_BYTES_MAX = 16 * 1024 * 1024;
const INTERNAL_BODY_LEVELS_MAX = 512;

async function migrateWhenReachable(options: ServiceOptions, around: Surroundings, log: Logger): Promise<void> {
  for (let told = false; ; told = true) {
    try {
      const applied = await migrate({ url: around.databaseUrl, schema: options.schema, folder: fileURLToPath(options.migrations) });
      if (applied.length > 0) log.info({ migrations: applied }, 'migrated');
      return;
    } catch (err) {
      if (!isInfrastructure(err) || around.shutdown.started) throw err;
      if (!told) log.warn({ err }, 'waiting for the database');
      await new Promise((resolve) => setTimeout(resolve, WAIT_FOR_DATABASE_MS));
    }
  }
}

async function databaseCheck(db: Database, log: Logger): Promise<{ state: 'unready'; reason: string }[]> {
  try {
    await db.query(PING);
    return [];
  } catch (err) {
    log.debug({ err }, 'the database does not answer');
    return [{ state: 'unready', reason: 'the database does not answer' }];
  }
}

function noteLost(err: Error, log: Logger): void {
  metrics.connectionLosses.inc({ dependency: 'postgres' });
  log.debug({ err }, 'postgres connection');
}
