import { createHash } from 'node:crypto';
import pg from 'pg';
import { infrastructure } from './infrastructure.ts';
import { uniqueName } from './topics.ts';

export type TestDatabase = {
  readonly url: string;
  /** Closes what is still connected and drops it. */
  drop(): Promise<void>;
};

/**
 * An own database for a test file, cloned from a migrated template, which is made once by whoever is first.
 * `template` names it and must change when what `migrate` does changes (a hash of the migrations, say);
 * `migrate` must close its connections.
 */
export async function testDatabase(options: { migrate: (url: string) => Promise<void>; template: string }): Promise<TestDatabase> {
  const template = `template_${createHash('sha256').update(options.template).digest('hex').slice(0, 24)}`;
  const name = uniqueName('test');
  await withServer(async (server) => {
    await prepareTemplate(server, template, options.migrate);
    await server.query(`create database ${name} template ${template}`);
  });
  return { url: urlOf(name), drop: () => withServer(async (server) => void (await server.query(`drop database ${name} with (force)`))) };
}

async function prepareTemplate(server: pg.Client, template: string, migrate: (url: string) => Promise<void>): Promise<void> {
  const isReady = async () => (await server.query('select 1 from pg_database where datname = $1 and datistemplate', [template])).rowCount === 1;
  if (await isReady()) return;
  await server.query('select pg_advisory_lock(hashtextextended($1, 0))', [template]);
  try {
    if (await isReady()) return;
    // Without the mark it is what a killed or failed migration has left.
    await server.query(`drop database if exists ${template} with (force)`);
    await server.query(`create database ${template}`);
    await migrate(urlOf(template));
    await server.query(`alter database ${template} with is_template true`);
  } finally {
    await server.query('select pg_advisory_unlock(hashtextextended($1, 0))', [template]);
  }
}

function urlOf(database: string): string {
  const url = new URL(infrastructure().databaseUrl);
  url.pathname = database;
  return url.href;
}

async function withServer<T>(use: (server: pg.Client) => Promise<T>): Promise<T> {
  const server = new pg.Client({ connectionString: infrastructure().databaseUrl });
  await server.connect();
  try {
    return await use(server);
  } finally {
    await server.end();
  }
}
