import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@nightshift/postgres';
import type { Logger, Shutdown } from '@nightshift/runtime';

const AGAIN_MS = 1000;

/** Runs the embedded database for as long as the process lives; one that ends is started again on the same port. Returns its URL. */
export async function runPostgres(dataDir: string, log: Logger, shutdown: Shutdown): Promise<string> {
  const start = (port?: number): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({ dataDir, ...(port !== undefined && { port }), log: (message) => log.info({ service: 'postgres' }, message) });
  let server = await start();
  const { url, port } = server;
  const watch = async (): Promise<void> => {
    for (;;) {
      const reason = await server.exited;
      if (shutdown.started) return;
      log.error({ service: 'postgres', reason }, 'the database has ended; starting it again');
      await delay(AGAIN_MS);
      server = await start(port);
    }
  };
  watch().catch((err: unknown) => {
    log.fatal({ err }, 'the database cannot be started again');
    log.flush();
    process.exit(1);
  });
  shutdown.add('end', 'postgres', () => server.stop());
  return url;
}
