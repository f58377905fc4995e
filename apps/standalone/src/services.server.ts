import { buildBilling } from '@nightshift/billing';
import { buildEngineOrchestrator } from '@nightshift/engine-orchestrator';
import { buildGateway, type GatewayEnvironment, listenAdmin } from '@nightshift/gateway';
import { InternalClient, injectTransport } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { InProcessHints } from '@nightshift/run-stream';
import { buildRuns } from '@nightshift/runs';
import { type App, APPS, type LocalSecrets, type Logger, ReadinessChecks, type Shutdown } from '@nightshift/runtime';
import type { Service, Surroundings } from '@nightshift/service';
import { buildToolExecutor } from '@nightshift/tool-executor';
import { buildWebhookDispatcher } from '@nightshift/webhook-dispatcher';
import type { StandaloneEnvironment } from './config.ts';

const CONNECTIONS_MAX = 8;

/** Where the composed process listens. */
export interface Composed {
  readonly gateway: Service;
  readonly adminPort: number;
}

/** Builds every service in this process, over the in-process bus, and starts them in order. */
export async function compose(environment: StandaloneEnvironment, secrets: LocalSecrets, databaseUrl: string, log: Logger, shutdown: Shutdown): Promise<Composed> {
  const bus = new LocalBus();
  const hints = new InProcessHints();
  const readiness = new ReadinessChecks();
  const services = new Map<App, Service>();
  const around = (service: App): Surroundings => ({
    log: log.child({ service }),
    bus,
    hints,
    readiness,
    shutdown,
    databaseUrl,
    connectionsMax: CONNECTIONS_MAX,
    pool: 'shared',
    onePool: 'shared',
    serviceTokens: new Map(APPS.map((app) => [app, secrets.serviceTokens[app]])),
    neighbours: [],
    client: (app) => new InternalClient(injectTransport((request) => inject(services, app, request)), secrets.serviceTokens[service]),
  });
  const withSecrets: StandaloneEnvironment & GatewayEnvironment & { SEAL_PRIVATE_KEY: string } = {
    ...environment,
    ADMIN_TOKEN: environment.ADMIN_TOKEN ?? secrets.adminToken,
    BOOTSTRAP_API_KEY: environment.BOOTSTRAP_API_KEY ?? secrets.apiKey,
    SEAL_PUBLIC_KEY: environment.SEAL_PUBLIC_KEY ?? secrets.sealPublicKey,
    SEAL_PRIVATE_KEY: environment.SEAL_PRIVATE_KEY ?? secrets.sealPrivateKey,
  };
  shutdown.add('refuse', 'readiness', () => readiness.drain());
  services.set('runs', await buildRuns(withSecrets, around('runs')));
  services.set('engine-orchestrator', await buildEngineOrchestrator(withSecrets, around('engine-orchestrator')));
  services.set('tool-executor', await buildToolExecutor(withSecrets, around('tool-executor')));
  services.set('webhook-dispatcher', await buildWebhookDispatcher(withSecrets, around('webhook-dispatcher')));
  services.set('billing', await buildBilling(withSecrets, around('billing')));
  const gateway = await buildGateway(withSecrets, around('gateway'));
  services.set('gateway', gateway);
  for (const service of services.values()) await service.consume();
  for (const service of services.values()) service.start();
  await gateway.app.listen(environment.PORT, environment.HOST);
  return { gateway, adminPort: await listenAdmin(gateway, withSecrets, around('gateway')) };
}

type Injected = Parameters<Parameters<typeof injectTransport>[0]>[0];

function inject(services: ReadonlyMap<App, Service>, app: App, request: Injected): Promise<{ statusCode: number; payload: string }> {
  const service = services.get(app);
  if (!service) return Promise.reject(new Error(`${app} is not built yet`));
  return service.app.inject(request);
}
