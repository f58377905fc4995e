import { buildService, type Service, type Surroundings } from '@nightshift/service';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { separatePorts, serveAdmin } from './admin.server.ts';
import { AppModule } from './app.module.ts';
import { GatewayEnvironment } from './config.ts';
import { KeyStore } from './key.store.ts';
import { describeApi, serveOpenApi } from './openapi.server.ts';

export { describeApi, GatewayEnvironment };

/** Builds the public edge, with the operator's first key in place. */
export async function buildGateway(environment: GatewayEnvironment, around: Surroundings): Promise<Service> {
  const migrations = new URL('../prisma/migrations', import.meta.url);
  const service = await buildService(
    { name: 'gateway', schema: 'gateway', migrations, onBus: false, module: (parts) => AppModule.of(environment, around, parts), beforeInit: (app) => { separatePorts(app); serveOpenApi(app); letBrowsersIn(app, environment.BROWSER_ORIGINS); } },
    around,
  );
  if (environment.BOOTSTRAP_API_KEY !== undefined) await service.app.get(KeyStore).bootstrap(environment.BOOTSTRAP_API_KEY);
  return service;
}

/** What clients read of an answer besides its body. */
const READ_HEADERS = ['x-request-id', 'x-run-id', 'idempotency-replayed', 'retry-after', 'retry-after-ms', 'x-should-retry', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'];

/** CORS, for the operator's origins alone. */
function letBrowsersIn(app: NestFastifyApplication, origins: readonly string[]): void {
  if (origins.length === 0) return;
  app.enableCors({ origin: [...origins], methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], exposedHeaders: READ_HEADERS, maxAge: 600 });
}

/** Opens the operator's port; returns it. */
export function listenAdmin(service: Service, environment: GatewayEnvironment & { HOST: string; PORT: number }, around: Surroundings): Promise<number> {
  return serveAdmin(service.app, environment.HOST, environment.ADMIN_PORT ?? environment.PORT + 1, around.shutdown);
}
