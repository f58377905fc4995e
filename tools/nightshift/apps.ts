import { join } from 'node:path';
import { type App, APPS } from '@nightshift/runtime';
import { ClusterEnvironment } from '@nightshift/service';
import type { z } from 'zod';

/** What can be checked: a service of the cluster shape, or the standalone process. */
export type Checkable = App | 'standalone';
export const CHECKABLE: readonly Checkable[] = [...APPS, 'standalone'];

/** The PostgreSQL schema of each service. */
export const SCHEMAS: Readonly<Record<App, string>> = { gateway: 'gateway', runs: 'runs', 'engine-orchestrator': 'engine', 'tool-executor': 'tools', 'webhook-dispatcher': 'webhooks', billing: 'billing' };

/** Folder of an app's migrations. */
export function migrationsOf(app: App): string {
  return join(import.meta.dirname, '../../apps', app, 'prisma/migrations');
}

/** The schema of an app's environment, the very one that it starts with. Loads that app alone. */
export async function environmentSchema(app: Checkable): Promise<z.ZodObject> {
  switch (app) {
    case 'gateway':
      return ClusterEnvironment.extend((await import('@nightshift/gateway')).GatewayEnvironment.shape);
    case 'runs':
      return ClusterEnvironment.extend((await import('@nightshift/runs')).RunsEnvironment.shape);
    case 'engine-orchestrator':
      return ClusterEnvironment.extend((await import('@nightshift/engine-orchestrator')).EngineEnvironment.shape);
    case 'tool-executor':
      return ClusterEnvironment.extend((await import('@nightshift/tool-executor')).ToolEnvironment.shape);
    case 'webhook-dispatcher':
      return ClusterEnvironment.extend((await import('@nightshift/webhook-dispatcher')).WebhookEnvironment.shape);
    case 'billing':
      return ClusterEnvironment.extend((await import('@nightshift/billing')).BillingEnvironment.shape);
    case 'standalone':
      return (await import('@nightshift/standalone')).StandaloneEnvironment;
  }
}
