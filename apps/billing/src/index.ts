import { buildService, type Service, type Surroundings } from '@nightshift/service';
import { AppModule } from './app.module.ts';
import { BillingEnvironment } from './config.ts';

export { BillingEnvironment };

/** Builds the service that meters usage. */
export function buildBilling(_environment: BillingEnvironment, around: Surroundings): Promise<Service> {
  const migrations = new URL('../prisma/migrations', import.meta.url);
  return buildService({ name: 'billing', schema: 'billing', migrations, onBus: true, publishes: false, module: (parts) => AppModule.of(around, parts) }, around);
}
