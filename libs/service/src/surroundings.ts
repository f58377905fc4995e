import { httpStreams, httpTransport, InternalClient } from '@nightshift/http';
import { type Bus, KafkaBus } from '@nightshift/messaging';
import { type Hints, RedisHints } from '@nightshift/run-stream';
import { type App, createLog, flushLogPeriodically, logWarnings, type Logger, ReadinessChecks, Shutdown, startTracing, traceSettings } from '@nightshift/runtime';
import { type ClusterEnvironment, acceptedTokens, kafkaAddress } from './environment.ts';
import { keepTracesTogether } from './kept-traces.hints.ts';
import type { UrlsOf } from './pool-urls.ts';

/** What a service lives in: Kafka, Redis and its neighbours over HTTP, or one process that holds them all. */
export interface Surroundings {
  readonly log: Logger;
  readonly bus: Bus;
  readonly hints: Hints;
  readonly readiness: ReadinessChecks;
  readonly shutdown: Shutdown;
  readonly databaseUrl: string;
  /** Redis, where there is one: for what all replicas of a service count together. */
  readonly redisUrl?: string;
  /** Connections this service may open. */
  readonly connectionsMax: number;
  /** The pool whose turns and calls this process does. */
  readonly pool: string;
  /** The pool that all runs go to, where one process serves every pool. */
  readonly onePool: string | undefined;
  /** Callers that this service accepts, by name. */
  readonly serviceTokens: ReadonlyMap<string, string>;
  /** The services behind the gateway that are processes of their own. */
  readonly neighbours: readonly App[];
  /** A client of another service. */
  readonly client: (app: App) => InternalClient;
  /** A client of a service's processes that serve a dedicated pool, undefined where their address is not known; absent where one process serves every pool. */
  readonly poolClient?: (app: App, pool: string) => InternalClient | undefined;
}

/** The surroundings of a service in the cluster shape. */
export async function clusterSurroundings(app: App, environment: ClusterEnvironment): Promise<Surroundings> {
  const log = createLog({ level: environment.LOG_LEVEL, format: environment.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json') }).child({ service: app });
  flushLogPeriodically(log);
  logWarnings(log);
  const shutdown = new Shutdown();
  const readiness = new ReadinessChecks();
  const bus = new KafkaBus({
    ...kafkaAddress(environment, `nightshift-${app}`),
    sessionTimeoutMs: environment.KAFKA_SESSION_TIMEOUT_MS,
    log,
  });
  const hints = new RedisHints({ url: environment.REDIS_URL, log });
  readiness.add(() => [...bus.health(), ...hints.health()]);
  const stopTracing = await startTracing(app, traceSettings(environment), { log });
  keepTracesTogether(hints);
  shutdown.add('refuse', 'readiness', () => readiness.drain());
  shutdown.add('close', 'bus', () => bus.close());
  shutdown.add('close', 'hints', () => hints.close());
  shutdown.add('close', 'tracing', stopTracing);
  const urls: Record<App, string[] | undefined> = {
    gateway: undefined,
    runs: environment.RUNS_URL,
    'engine-orchestrator': environment.ENGINE_ORCHESTRATOR_URL,
    'tool-executor': environment.TOOL_EXECUTOR_URL,
    'webhook-dispatcher': environment.WEBHOOK_DISPATCHER_URL,
    billing: environment.BILLING_URL,
  };
  const clientOf = (target: string, baseUrls: readonly string[]): InternalClient => {
    const { transport, close } = httpTransport(baseUrls);
    const { streams, close: closeStreams } = httpStreams(baseUrls);
    shutdown.add('close', `client of ${target}`, async () => void (await Promise.all([close(), closeStreams()])));
    return new InternalClient(transport, environment.SERVICE_TOKEN, undefined, streams);
  };
  const poolUrls: Partial<Record<App, UrlsOf>> = { 'engine-orchestrator': environment.ENGINE_ORCHESTRATOR_POOL_URLS, 'tool-executor': environment.TOOL_EXECUTOR_POOL_URLS };
  // Pools come while the process runs, and are few: each client is made once.
  const poolClients = new Map<string, InternalClient>();
  const poolClient = (target: App, pool: string): InternalClient | undefined => {
    const baseUrls = poolUrls[target]?.(pool) ?? [];
    if (baseUrls.length === 0) return undefined;
    const name = `${target} of ${pool}`;
    const client = poolClients.get(name) ?? clientOf(name, baseUrls);
    poolClients.set(name, client);
    return client;
  };
  return {
    log,
    bus,
    hints,
    readiness,
    shutdown,
    databaseUrl: environment.DATABASE_URL,
    redisUrl: environment.REDIS_URL,
    connectionsMax: environment.DATABASE_CONNECTIONS_MAX,
    pool: environment.POOL,
    onePool: undefined,
    serviceTokens: acceptedTokens(environment),
    neighbours: ['runs', 'engine-orchestrator', 'tool-executor', 'webhook-dispatcher', 'billing'],
    client: (target) => {
      const baseUrls = urls[target];
      if (!baseUrls || baseUrls.length === 0) throw new Error(`${app} needs ${target.replaceAll('-', '_').toUpperCase()}_URL`);
      return clientOf(target, baseUrls);
    },
    poolClient,
  };
}
