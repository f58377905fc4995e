import { join } from 'node:path';
import { startKafka } from './kafka.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import type { Server } from './server.ts';

/**
 * Starts the servers that tests use, with their files below `directory`, and hands each to `keep` as soon as it runs.
 * Gives the variables by which tests find them. Throws with every reason if one does not start.
 */
export async function startTestServers(directory: string, keep: (server: Server) => void): Promise<Record<string, string>> {
  const starting = Object.entries({ TEST_DATABASE_URL: startPostgres, TEST_KAFKA_BROKERS: startKafka, TEST_REDIS_URL: startRedis });
  const results = await Promise.allSettled(
    starting.map(async ([variable, start]) => {
      const server = await start({ dataDir: join(directory, variable.toLowerCase()) });
      keep(server);
      return [variable, server.address] as const;
    }),
  );
  const failed = results.filter((result) => result.status === 'rejected').map(({ reason }) => (reason instanceof Error ? reason.message : String(reason)));
  if (failed.length > 0) throw new Error(failed.join('\n'));
  return Object.fromEntries(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
}
