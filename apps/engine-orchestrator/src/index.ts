import { InternalChat } from '@nightshift/contracts';
import { invalidRequest } from '@nightshift/http';
import { buildService, type Service, type Surroundings } from '@nightshift/service';
import { AppModule } from './app.module.ts';
import { Chats } from './chats.client.ts';
import { catalogueFrom, EngineEnvironment } from './config.ts';
import { startOfflineEngine } from './offline-engine.server.ts';
import { Upstreams } from './upstreams.client.ts';

export { EngineEnvironment };

/** Builds the service that drives runs. Without an upstream it starts the offline engine, and says so. */
export async function buildEngineOrchestrator(environment: EngineEnvironment, around: Surroundings): Promise<Service> {
  const isOffline = !environment.ENGINES_FILE && environment.UPSTREAM_BASE_URL === undefined;
  const offline = isOffline ? await startOfflineEngine() : undefined;
  if (offline) {
    around.log.warn('no upstream is configured: the offline engine answers every run; set UPSTREAM_BASE_URL (any OpenAI-compatible server) or ENGINES_FILE');
    around.shutdown.add('close', 'offline engine', () => offline.close());
  }
  const upstreams = new Upstreams(catalogueFrom(environment, () => offline?.baseUrl ?? ''));
  around.shutdown.add('close', 'upstreams', () => upstreams.close());
  const migrations = new URL('../prisma/migrations', import.meta.url);
  return buildService(
    {
      name: 'engine-orchestrator',
      schema: 'engine',
      migrations,
      onBus: true,
      module: (parts) => AppModule.of(environment, upstreams, around, parts),
      streamRoutes: (app) => new Map([['/internal/chats', ({ body, traceparent }, signal) => app.get(Chats).answer(checked(body), traceparent, signal)]]),
    },
    around,
  );
}

function checked(body: unknown): InternalChat {
  const parsed = InternalChat.safeParse(body);
  if (parsed.success) return parsed.data;
  throw invalidRequest(parsed.error.issues);
}
