import { buildService, type Service, type Surroundings } from '@nightshift/service';
import { AppModule } from './app.module.ts';
import { WebhookEnvironment } from './config.ts';

export { WebhookEnvironment };

/** Builds the service that delivers webhooks. */
export function buildWebhookDispatcher(environment: WebhookEnvironment, around: Surroundings): Promise<Service> {
  const migrations = new URL('../prisma/migrations', import.meta.url);
  return buildService({ name: 'webhook-dispatcher', schema: 'webhooks', migrations, onBus: true, publishes: false, module: (parts) => AppModule.of(environment, around, parts) }, around);
}
