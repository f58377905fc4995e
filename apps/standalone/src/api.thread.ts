import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { buildGateway, listenAdmin } from '@nightshift/gateway';
import { portOf } from '@nightshift/http';
import { addMetrics, claimFolder, collectProcessMetrics, createLog, flushLogPeriodically, loadConfig, localSecrets, type LogOptions, logWarnings, Shutdown, shutdownOnSignal, startTracing, traceSettings } from '@nightshift/runtime';
import { buildRuns } from '@nightshift/runs';
import { must } from '@nightshift/std';
import { banner } from './banner.ts';
import { runPostgres } from './postgres.server.ts';
import { type CompleteEnvironment, compose, type Facts } from './services.server.ts';
import { StandaloneEnvironment } from './config.ts';
import { RemoteBus } from './remote.bus.ts';
import { checksOf, linkWork, metricsOf } from './work.server.ts';

const environment = loadConfig(StandaloneEnvironment, 'standalone');
const dataDir = environment.DATA_DIR;
const logOptions: LogOptions = { level: environment.LOG_LEVEL, format: environment.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json') };
const log = createLog(logOptions);
flushLogPeriodically(log);
logWarnings(log);
const shutdown = new Shutdown();
const STOP_MS = 10_000;
shutdownOnSignal(shutdown, log, Math.max(environment.SHUTDOWN_GRACE_MS, environment.TURN_DRAIN_MS, environment.STREAM_DRAIN_MS));

/** Runs all services in this process, those that work in `worker`; returns once they answer, or ends the process. */
export async function run(worker: Worker): Promise<void> {
  try {
    await start(worker);
  } catch (err) {
    await stopBecause(err);
  }
}

/** Ends the process in order, with status 1 and the reason as its last line. */
async function stopBecause(err: unknown): Promise<void> {
  log.debug({ err }, 'stopping because of an error');
  setTimeout(() => process.exit(1), STOP_MS);
  await shutdown.run(log, 0);
  log.flush();
  process.stderr.write(`nightshift: ${explain(err)}\n`);
  process.exit(1);
}

async function start(worker: Worker): Promise<void> {
  claimFolder(dataDir);
  writeFileSync(join(dataDir, 'standalone.pid'), `${process.pid}\n`);
  process.once('exit', () => rmSync(join(dataDir, 'standalone.pid'), { force: true }));
  const secrets = localSecrets(dataDir);
  collectProcessMetrics();
  shutdown.add('close', 'tracing', await startTracing('nightshift', traceSettings(environment), { log }));
  const link = linkWork(worker, shutdown, (reason) => {
    log.fatal({ err: reason.cause }, 'the thread that works has ended');
    void stopBecause(reason);
  });
  const complete: CompleteEnvironment = {
    ...environment,
    ADMIN_TOKEN: environment.ADMIN_TOKEN ?? secrets.adminToken,
    BOOTSTRAP_API_KEY: environment.BOOTSTRAP_API_KEY ?? secrets.apiKey,
    SEAL_PUBLIC_KEY: environment.SEAL_PUBLIC_KEY ?? secrets.sealPublicKey,
    SEAL_PRIVATE_KEY: environment.SEAL_PRIVATE_KEY ?? secrets.sealPrivateKey,
    ENCRYPTION_KEY: environment.ENCRYPTION_KEY ?? secrets.encryptionKey,
  };
  const databaseUrl = environment.DATABASE_URL ?? (await runPostgres(join(dataDir, 'postgres'), log, shutdown));
  const facts: Facts = { log: logOptions, environment: complete, databaseUrl, serviceTokens: secrets.serviceTokens };
  const [edge] = await Promise.all([compose({ runs: buildRuns, gateway: buildGateway }, facts, { bus: new RemoteBus(link), link, log, shutdown }), link.call('build', facts)]);
  edge.readiness.add(() => checksOf(link));
  addMetrics(() => metricsOf(link));
  await link.call('start');
  const gateway = must(edge.services.get('gateway'), 'gateway');
  gateway.start();
  await gateway.app.listen(environment.PORT, environment.HOST);
  const adminPort = await listenAdmin(gateway, complete, edge.around('gateway'));
  const host = environment.HOST === '0.0.0.0' || environment.HOST === '::' ? '127.0.0.1' : environment.HOST;
  const ownKey = environment.BOOTSTRAP_API_KEY === undefined;
  process.stdout.write(
    banner({
      url: `http://${host}:${portOf(gateway.app)}`,
      adminUrl: `http://${host}:${adminPort}`,
      dataDir,
      keyFile: ownKey ? join(dataDir, 'api-key') : undefined,
      adminTokenFile: environment.ADMIN_TOKEN === undefined ? join(dataDir, 'admin-token') : undefined,
      newKey: ownKey && secrets.created.apiKey ? secrets.apiKey : undefined,
      offline: environment.ENGINES_FILE === undefined && environment.UPSTREAM_BASE_URL === undefined,
    }),
  );
}

function explain(err: unknown): string {
  const { code, port, message } = err as { code?: string; port?: number; message?: string };
  if (code === 'EADDRINUSE') return `port ${port} is in use; set PORT (and ADMIN_PORT) to free ones`;
  return message ?? String(err);
}
