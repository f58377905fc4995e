import { startEmbeddedPostgres } from '@nightshift/postgres';
import type { Server } from './server.ts';

/** The embedded PostgreSQL as one server among the others. `address` is its URL. */
export async function startPostgres({ dataDir, port }: { dataDir: string; port?: number }): Promise<Server> {
  const { url, pid, exited, stop } = await startEmbeddedPostgres({ dataDir, ...(port === undefined ? {} : { port }) });
  return { name: 'postgres', address: url, pid, exited, stop };
}
