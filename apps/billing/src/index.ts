import { buildService, type Service, type Surroundings } from '@nightshift/service';
import { AppModule } from './app.module.ts';
import { BillingEnvironment } from './config.ts';

export { BillingEnvironment };

// Reports may be as late as that.
const GATHER_MS = 250;

/** Builds the service that meters usage. */
export function buildBilling(_environment: BillingEnvironment, around: Surroundings): Promise<Service> {
  const migrations = new URL('../prisma/migrations', import.meta.url);
  return buildService({ name: 'billing', schema: 'billing', migrations, onBus: true, publishes: false, gatherMs: GATHER_MS, module: (parts) => AppModule.of(around, parts) }, around);
}
