import { InternalCreateRun, InternalRunsAsked } from '@nightshift/contracts';
import { invalidRequest } from '@nightshift/http';
import { buildService, type Service, type Surroundings } from '@nightshift/service';
import type { z } from 'zod';
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
      localRoutes: (app) =>
        new Map<string, (body: unknown) => Promise<unknown>>([
          ['POST /internal/runs', (body) => app.get(RunsController).create(checked(InternalCreateRun, body))],
          ['POST /internal/run-engines', (body) => app.get(RunsController).engines(checked(InternalRunsAsked, body))],
        ]),
    },
    around,
  );
}

function checked<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw invalidRequest(parsed.error.issues);
}
