export { type ConfigResult, type ConfigSource, loadConfig, parseConfig } from './config.ts';
export { type App, APPS, type LocalSecrets, localSecrets } from './local-secrets.ts';
export { createLog, flushLogPeriodically, type Logger, type LogOptions } from './log.ts';
export { collectProcessMetrics, metrics, registry } from './metrics.ts';
export { type CheckResult, ReadinessChecks } from './readiness.ts';
export { type Phase, PHASES, Shutdown, shutdownOnSignal } from './shutdown.ts';
export { startTracing, traceIdOf, traceparentFrom, withSpan } from './telemetry.ts';
