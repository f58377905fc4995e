import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrate } from '@nightshift/postgres';
import { type App, APPS, loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment } from './environment.ts';
import { runOnce } from './one-shot.ts';

/** What `migrate.js` reads. */
export const MigrationsEnvironment = ClusterEnvironment.pick({ DATABASE_URL: true, LOG_LEVEL: true, LOG_FORMAT: true });

const SCHEMAS: Readonly<Record<App, string>> = { gateway: 'gateway', runs: 'runs', 'engine-orchestrator': 'engine', 'tool-executor': 'tools', 'webhook-dispatcher': 'webhooks', billing: 'billing' };

/** Migrates the schemas of all services, from the folder `apps`, and ends the process. Several at once wait for each other. */
export async function runMigrations(apps: URL): Promise<void> {
  const environment = loadConfig(MigrationsEnvironment, 'migrate');
  await runOnce('migrate', environment, async (log) => {
    for (const app of APPS) {
      const migrations = await migrate({ url: environment.DATABASE_URL, schema: SCHEMAS[app], folder: join(fileURLToPath(apps), app, 'prisma/migrations') });
      log.info({ app, migrations }, 'migrated');
    }
  });
}
