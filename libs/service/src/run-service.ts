import { flushCompileCache } from 'node:module';
import { connectionsGone, serveMetrics } from '@nightshift/http';
import { type App, collectProcessMetrics, shutdownOnSignal } from '@nightshift/runtime';
import type { ClusterEnvironment } from './environment.ts';
import type { Service } from './service.ts';
import { clusterSurroundings, type Surroundings } from './surroundings.ts';

/** Runs one service as a process of its own: builds it, listens, consumes, works, and ends in order on a signal. */
export async function runService(app: App, environment: ClusterEnvironment, build: (around: Surroundings) => Promise<Service>, options: { graceMs?: number; listen?: (service: Service, around: Surroundings) => Promise<void> } = {}): Promise<void> {
  const around = await clusterSurroundings(app, environment);
  shutdownOnSignal(around.shutdown, around.log, options.graceMs ?? environment.SHUTDOWN_GRACE_MS);
  collectProcessMetrics();
  const { HOST: host, PORT: port } = environment;
  const service = await build(around);
  await service.app.listen(port, host);
  around.shutdown.add('drain', 'connections', (hurry) => connectionsGone(service.app, hurry));
  await options.listen?.(service, around);
  const metrics = await serveMetrics(host, environment.METRICS_PORT ?? port + 2);
  around.shutdown.add('close', 'metrics', metrics.close);
  await service.consume();
  service.start();
  around.log.info({ host, port, metricsPort: metrics.port }, 'listening');
  flushCompileCache();
}
