/** Which environment variables each app reads, and which of them the chart sets from values of its own. */
import { BillingEnvironment } from '@nightshift/billing';
import { EngineEnvironment } from '@nightshift/engine-orchestrator';
import { GatewayEnvironment } from '@nightshift/gateway';
import { RunsEnvironment } from '@nightshift/runs';
import { APPS, type App } from '@nightshift/runtime';
import { ClusterEnvironment } from '@nightshift/service';
import { ToolEnvironment } from '@nightshift/tool-executor';
import { WebhookEnvironment } from '@nightshift/webhook-dispatcher';

const own: Record<App, object> = {
  gateway: GatewayEnvironment.shape,
  runs: RunsEnvironment.shape,
  'engine-orchestrator': EngineEnvironment.shape,
  'tool-executor': ToolEnvironment.shape,
  'webhook-dispatcher': WebhookEnvironment.shape,
  billing: BillingEnvironment.shape,
};

/** Every variable that an app of the cluster shape reads, by app, sorted. */
export function variablesByApp(): Record<App, string[]> {
  const read = (app: App) => [...new Set([...Object.keys(ClusterEnvironment.shape), ...Object.keys(own[app])])].sort();
  return Object.fromEntries(APPS.map((app) => [app, read(app)])) as Record<App, string[]>;
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
