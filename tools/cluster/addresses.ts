import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceProcess } from './plan.ts';

/** Where each process and server of a local cluster is, for tools that are started beside it. */
export interface Addresses {
  /** `DATABASE_URL`, `KAFKA_BROKERS`, `REDIS_URL`. */
  readonly servers: Readonly<Record<string, string>>;
  readonly adminUrl: string | undefined;
  readonly services: readonly { readonly name: string; readonly url: string; readonly metricsUrl: string }[];
}

export const addressesFile = 'addresses.json';
const outside = ['DATABASE_URL', 'KAFKA_BROKERS', 'REDIS_URL'];

/** Writes the addresses below `folder`, readable by their owner alone, since that of the database holds its password. */
export function writeAddresses(folder: string, cluster: { services: readonly ServiceProcess[]; servers: Readonly<Record<string, string>>; environment: NodeJS.ProcessEnv }): void {
  const given = outside.flatMap((name) => (cluster.environment[name] ? [[name, cluster.environment[name]]] : []));
  const admin = cluster.services.find(({ adminPort }) => adminPort !== undefined);
  const addresses: Addresses = {
    servers: { ...(Object.fromEntries(given) as Record<string, string>), ...cluster.servers },
    adminUrl: admin && urlOf(admin.env['HOST'], admin.adminPort),
    services: cluster.services.map(({ name, port, metricsPort, env }) => ({ name, url: urlOf(env['HOST'], port), metricsUrl: `${urlOf(env['HOST'], metricsPort)}/metrics` })),
  };
  writeFileSync(join(folder, addressesFile), `${JSON.stringify(addresses, null, 2)}\n`, { mode: 0o600 });
}

function urlOf(host: string | undefined, port: number | undefined): string {
  const reachable = host === undefined || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
