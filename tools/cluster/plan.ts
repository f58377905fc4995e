/** What the local cluster consists of, as data: no process is started and no port is opened here. */

export const apps = ['gateway', 'runs', 'engine-orchestrator', 'tool-executor', 'webhook-dispatcher', 'billing'] as const;
export type App = (typeof apps)[number];

type Environment = Readonly<Record<string, string | undefined>>;

export type ServiceProcess = {
  /** `<app>-<n>`, or `<app>-<pool>-<n>`. */
  readonly name: string;
  readonly app: App;
  readonly port: number;
  readonly metricsPort: number;
  readonly adminPort?: number;
  /** What is added to the environment that all services get. */
  readonly env: Record<string, string>;
};

export type Secrets = {
  readonly apiKey: string;
  readonly adminToken: string;
  readonly sealPublicKey: string;
  readonly sealPrivateKey: string;
  readonly encryptionKey: string;
  readonly serviceTokens: Record<App, string>;
};

const pooled: readonly App[] = ['engine-orchestrator', 'tool-executor'];
const gatewayPortStep = 10;
const drainMs = '5000';
// Our own broker allows less than the 6 s that brokers ask for by default.
const sessionTimeoutMs = '3000';

function list(text: string | undefined): string[] {
  return (text ?? '').split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
}

/** `a=2,b=3` by name. Throws on a name that is none of `known`, and on a count that is not 1 to 99. */
export function parseReplicas(text: string | undefined, known: readonly string[]): Map<string, number> {
  return new Map(
    list(text).map((entry) => {
      const [name = '', count = ''] = entry.split('=');
      if (!known.includes(name)) throw new Error(`REPLICAS: there is no "${name}"; there are ${known.join(', ')}`);
      if (!/^[1-9]\d?$/.test(count)) throw new Error(`REPLICAS: "${entry}" is not ${name}=<1 to 99>`);
      return [name, Number(count)];
    }),
  );
}

function port(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined || text === '' ? otherwise : Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new Error(`${name} is not a port: ${text}`);
  return value;
}

/** A value from the environment (as it is, or as a file), else ours if there is one. */
function given(environment: Environment, name: string, otherwise?: string): Record<string, string> {
  for (const key of [name, `${name}_FILE`]) {
    const value = environment[key];
    if (value) return { [key]: value };
  }
  return otherwise === undefined ? {} : { [name]: otherwise };
}

// Settings of the cluster as a whole, and secrets that only some services may have.
const notInherited = /^(PORT|ADMIN_PORT|METRICS_PORT|POOLS?|REPLICAS|DATA_DIR|SERVICE_TOKENS?|(BOOTSTRAP_API_KEY|ADMIN_TOKEN|SEAL_(PUBLIC|PRIVATE)_KEY|ENCRYPTION_KEY(_PREVIOUS)?)(_FILE)?)$/;

/** The environment that every service inherits from ours, with the local command's shorter drains. */
export function inheritedEnvironment(environment: Environment): Record<string, string> {
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !notInherited.test(entry[0]),
  );
  return { SHUTDOWN_GRACE_MS: drainMs, TURN_DRAIN_MS: drainMs, STREAM_DRAIN_MS: drainMs, ...(!environment['KAFKA_BROKERS'] && { KAFKA_SESSION_TIMEOUT_MS: sessionTimeoutMs }), ...Object.fromEntries(kept) };
}

/** How long services may take to end, in ms: the longest of the three drains, and some time to close. */
export function stopTimeoutMs(environment: Environment): number {
  const { SHUTDOWN_GRACE_MS, TURN_DRAIN_MS, STREAM_DRAIN_MS } = inheritedEnvironment(environment);
  return Math.max(Number(SHUTDOWN_GRACE_MS), Number(TURN_DRAIN_MS), Number(STREAM_DRAIN_MS)) + 5_000;
}

/**
 * Every service process of the cluster. `nextPort` gives free ports, each of them once, for what has no port of its own in the contract.
 * Throws on REPLICAS, POOLS or ports that cannot be.
 */
export async function planServices(environment: Environment, secrets: Secrets, nextPort: () => Promise<number>): Promise<ServiceProcess[]> {
  const pools = list(environment['POOLS']);
  const odd = pools.find((pool) => !/^[a-z0-9][a-z0-9-]*$/.test(pool) || pool === 'shared');
  if (odd !== undefined) throw new Error(`POOLS: "${odd}" is not a name of lower-case letters, digits and dashes other than "shared"`);
  const groups = [
    ...apps.map((app) => ({ group: app as string, app, pool: 'shared' })),
    ...pools.flatMap((pool) => pooled.map((app) => ({ group: `${app}-${pool}`, app, pool }))),
  ];
  const replicas = parseReplicas(environment['REPLICAS'], groups.map(({ group }) => group));
  const first = port('PORT', environment['PORT'], 8080);
  const firstAdmin = port('ADMIN_PORT', environment['ADMIN_PORT'], first + 1);

  // What gateways are told to listen on may be among the free ones.
  const fixed = new Set(Array.from({ length: replicas.get('gateway') ?? 1 }, (_, index) => [first, firstAdmin].map((start) => start + index * gatewayPortStep)).flat());
  const otherPort = async (): Promise<number> => {
    const free = await nextPort();
    return fixed.has(free) ? otherPort() : free;
  };
  const services: ServiceProcess[] = [];
  for (const { group, app, pool } of groups) {
    for (let index = 0; index < (replicas.get(group) ?? 1); index++) {
      const isGateway = app === 'gateway';
      services.push({
        name: `${group}-${index + 1}`,
        app,
        port: isGateway ? first + index * gatewayPortStep : await otherPort(),
        metricsPort: await otherPort(),
        ...(isGateway && { adminPort: firstAdmin + index * gatewayPortStep }),
        env: pooled.includes(app) ? { POOL: pool } : {},
      });
    }
  }
  const isOf = (service: ServiceProcess, app: App, pool: string) => service.app === app && (service.env['POOL'] ?? 'shared') === pool;
  const tokens = apps.map((app) => `${app}:${secrets.serviceTokens[app]}`).join(',');
  const urlsOf = (app: App, pool: string) => services.filter((service) => isOf(service, app, pool)).map((service) => `http://127.0.0.1:${service.port}`);
  const variableOf = (app: App) => app.toUpperCase().replaceAll('-', '_');
  // The two of a pool keep to each other.
  const urlsFor = (pool: string) => Object.fromEntries(apps.filter((app) => app !== 'gateway').map((app) => [`${variableOf(app)}_URL`, urlsOf(app, pooled.includes(app) ? pool : 'shared').join(',')]));
  const poolUrls = Object.fromEntries(
    pooled.map((app) => {
      const name = `${variableOf(app)}_POOL_URLS`;
      const ours = pools.flatMap((pool) => urlsOf(app, pool).map((url) => `${pool}=${url}`));
      return [name, [...ours, ...list(environment[name])].join(',')];
    }),
  );
  const only: Partial<Record<App, Record<string, string>>> = {
    gateway: {
      ...poolUrls,
      ...given(environment, 'BOOTSTRAP_API_KEY', secrets.apiKey),
      ...given(environment, 'ADMIN_TOKEN', secrets.adminToken),
      ...given(environment, 'SEAL_PUBLIC_KEY', secrets.sealPublicKey),
    },
    'tool-executor': given(environment, 'SEAL_PRIVATE_KEY', secrets.sealPrivateKey),
    'webhook-dispatcher': { ...given(environment, 'ENCRYPTION_KEY', secrets.encryptionKey), ...given(environment, 'ENCRYPTION_KEY_PREVIOUS') },
  };
  return services.map((service) => ({
    ...service,
    env: {
      ...service.env,
      ...urlsFor(service.env['POOL'] ?? 'shared'),
      ...only[service.app],
      HOST: service.app === 'gateway' ? environment['HOST'] || '127.0.0.1' : '127.0.0.1',
      PORT: String(service.port),
      METRICS_PORT: String(service.metricsPort),
      ...(service.adminPort !== undefined && { ADMIN_PORT: String(service.adminPort) }),
      SERVICE_TOKEN: secrets.serviceTokens[service.app],
      SERVICE_TOKENS: tokens,
    },
  }));
}
