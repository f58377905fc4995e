import { buildService, type Service, type Surroundings } from '@nightshift/service';
import { AppModule } from './app.module.ts';
import { ToolEnvironment } from './config.ts';

export { ToolEnvironment };

/** Builds the service that executes tool calls. */
export function buildToolExecutor(environment: ToolEnvironment, around: Surroundings): Promise<Service> {
  const migrations = new URL('../prisma/migrations', import.meta.url);
  return buildService({ name: 'tool-executor', schema: 'tools', migrations, onBus: true, module: (parts) => AppModule.of(environment, around, parts) }, around);
}
