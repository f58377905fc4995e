/** Which environment variables each app reads, and which of them the chart sets from values of its own. */
import { APPS, type App } from '@nightshift/runtime';
import { environmentSchema } from '../nightshift/apps.ts';

const read = Object.fromEntries(await Promise.all(APPS.map(async (app) => [app, Object.keys((await environmentSchema(app)).shape).sort()] as const))) as Record<App, string[]>;

/** Every variable that an app of the cluster shape reads, by app, sorted. */
export function variablesByApp(): Record<App, string[]> {
  return read;
}

/** Set from other values than `config`: addresses, servers, ports, and everything that is secret. */
const managed = /^(HOST|PORT|ADMIN_PORT|METRICS_PORT|DATABASE_URL|DATABASE_CONNECTIONS_MAX|REDIS_URL|POOL|ENGINES_FILE|EGRESS_ALLOW|SERVICE_TOKENS?|ADMIN_TOKEN|KAFKA_(BROKERS|SSL_.*|SASL_.*)|[A-Z_]+_POOL_URLS|(RUNS|ENGINE_ORCHESTRATOR|TOOL_EXECUTOR|WEBHOOK_DISPATCHER|BILLING)_URL|SEAL_(PUBLIC|PRIVATE)_KEY|ENCRYPTION_KEY(_PREVIOUS)?|[A-Z]+_API_KEY)$/;

/** Read by Node.js, not by an app. */
const ofNode = ['NODE_COMPILE_CACHE', 'NODE_OPTIONS', 'UV_THREADPOOL_SIZE'];

/** The names that `config` takes, sorted; besides them any `OTEL_…`. */
export function settableVariables(): string[] {
  const all = new Set([...Object.values(variablesByApp()).flat(), ...ofNode]);
  return [...all].filter((name) => !managed.test(name) && !name.startsWith('OTEL_')).sort();
}
