import { InternalCreateRun } from '@nightshift/contracts';
import { invalidRequest } from '@nightshift/http';
import { buildService, type Service, type Surroundings } from '@nightshift/service';
import { AppModule } from './app.module.ts';
import { RunsEnvironment } from './config.ts';
import { RunsController } from './runs.controller.ts';

export { RunsEnvironment };

/** Builds the service that owns runs. */
export function buildRuns(environment: RunsEnvironment, around: Surroundings): Promise<Service> {
  const migrations = new URL('../prisma/migrations', import.meta.url);
  return buildService(
    {
      name: 'runs',
      schema: 'runs',
      migrations,
      onBus: true,
      module: (parts) => AppModule.of(environment, around, parts),
      localRoutes: (app) => new Map([['POST /internal/runs', (body) => app.get(RunsController).create(checked(body))]]),
    },
    around,
  );
}

function checked(body: unknown): InternalCreateRun {
  const parsed = InternalCreateRun.safeParse(body);
  if (parsed.success) return parsed.data;
  throw invalidRequest(parsed.error.issues);
}
