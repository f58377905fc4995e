import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { portOf } from '@nightshift/http';
import { claimFolder, collectProcessMetrics, createLog, flushLogPeriodically, loadConfig, localSecrets, Shutdown, shutdownOnSignal, startTracing } from '@nightshift/runtime';
import { banner } from './banner.ts';
import { runPostgres } from './postgres.server.ts';
import { compose } from './services.server.ts';
import { StandaloneEnvironment } from './config.ts';

const environment = loadConfig(StandaloneEnvironment, 'standalone');
const dataDir = environment.DATA_DIR;
const log = createLog({ level: environment.LOG_LEVEL, format: environment.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json') });
flushLogPeriodically(log);
const shutdown = new Shutdown();
shutdownOnSignal(shutdown, log, Math.max(environment.SHUTDOWN_GRACE_MS, environment.TURN_DRAIN_MS));

try {
  await start();
} catch (err) {
  process.stderr.write(`nightshift: ${explain(err)}\n`);
  log.debug({ err }, 'start failed');
  await shutdown.run(log, 0);
  process.exit(1);
}

async function start(): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  claimFolder(dataDir);
  writeFileSync(join(dataDir, 'standalone.pid'), `${process.pid}\n`);
  process.once('exit', () => rmSync(join(dataDir, 'standalone.pid'), { force: true }));
  const secrets = localSecrets(dataDir);
  collectProcessMetrics();
  shutdown.add('close', 'tracing', startTracing('nightshift', environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? environment.OTEL_EXPORTER_OTLP_ENDPOINT));
  const { gateway, adminPort } = await compose(environment, secrets, environment.DATABASE_URL ?? (await runPostgres(join(dataDir, 'postgres'), log, shutdown)), log, shutdown);
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
