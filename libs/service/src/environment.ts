import { readFileSync } from 'node:fs';
import { PoolName, SHARED_POOL } from '@nightshift/contracts';
import type { KafkaAddress } from '@nightshift/messaging';
import { APPS, TRACE_SAMPLERS } from '@nightshift/runtime';
import { z } from 'zod';
import { kafkaSsl } from './kafka-ssl.ts';
import { List } from './list.ts';
import { PoolUrls } from './pool-urls.ts';

const Port = z.coerce.number().int().min(0).max(65535);
const Milliseconds = z.coerce.number().int().nonnegative();
const Flag = z.enum(['true', 'false']).transform((value) => value === 'true');

/** A comma-separated list of CIDRs. */
export const CidrList = List.pipe(z.array(z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a comma-separated list of CIDRs such as 127.0.0.0/8' })));

/** A path to a JSON file that fits `schema`; the value is what the file holds. */
export function JsonFile<S extends z.ZodType>(schema: S): z.ZodType<z.infer<S>, string> {
  return z.string().transform((path, ctx): z.infer<S> => {
    try {
      const parsed = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
      if (parsed.success) return parsed.data;
      for (const issue of parsed.error.issues) ctx.addIssue({ code: 'custom', message: `${path}: ${issue.path.join('.')}: ${issue.message}` });
    } catch (err) {
      ctx.addIssue({ code: 'custom', message: `${path}: ${err instanceof Error ? err.message : String(err)}` });
    }
    return z.NEVER;
  });
}

/** What every process reads, in either shape. */
export const ProcessEnvironment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: Port.default(8080),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  LOG_FORMAT: z.enum(['json', 'pretty']).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.string().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.string().optional(),
  OTEL_SDK_DISABLED: Flag.optional(),
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none']).optional(),
  OTEL_TRACES_SAMPLER: z.enum(TRACE_SAMPLERS).default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1).describe('Of the samplers with a ratio.'),
  SHUTDOWN_GRACE_MS: Milliseconds.default(25_000),
});
export type ProcessEnvironment = z.infer<typeof ProcessEnvironment>;

const DATABASE_URL_FORM = 'postgresql://user:password@host:5432/database';

/** Where PostgreSQL is; another address would be tried for ever, as one that is away. */
export const DatabaseUrl = z.string({ error: `is required: ${DATABASE_URL_FORM}` }).regex(/^postgres(?:ql)?:\/\/./, `must be such as ${DATABASE_URL_FORM}`);

/** What a service of the cluster shape reads besides: its surroundings and its neighbours. */
export const ClusterEnvironment = ProcessEnvironment.extend({
  METRICS_PORT: Port.optional().describe('Default PORT + 2.'),
  DATABASE_URL: DatabaseUrl,
  DATABASE_CONNECTIONS_MAX: z.coerce.number().int().positive().default(12).describe('Connections that this process may open to PostgreSQL.'),
  KAFKA_BROKERS: z.string({ error: 'is required: host:port, or several with commas' }).pipe(List),
  KAFKA_SSL_ENABLED: Flag.optional(),
  KAFKA_SSL_CA: z.string().optional().describe('PEM.'),
  KAFKA_SSL_CERT: z.string().optional().describe('PEM: shows the brokers who this is, with KAFKA_SSL_KEY.'),
  KAFKA_SSL_KEY: z.string().optional().describe('PEM.'),
  KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  KAFKA_SESSION_TIMEOUT_MS: Milliseconds.default(6000).describe('How soon a member that died is noticed; the brokers set its lower bound.'),
  REDIS_URL: z.string({ error: 'is required: redis://host:6379' }).regex(/^rediss?:\/\/./, 'must be such as redis://host:6379'),
  POOL: PoolName.default(SHARED_POOL).describe('The pool whose turns or calls this process does.'),
  SERVICE_TOKEN: z.string({ error: 'is required: this service’s own token' }),
  SERVICE_TOKENS: List.pipe(z.array(z.string().regex(/^[a-z-]+:.{8,}$/, 'must be name:token, with tokens of at least 8 characters'))).optional().describe('name:token of every service that may call this one.'),
  RUNS_URL: List.optional(),
  ENGINE_ORCHESTRATOR_URL: List.optional(),
  TOOL_EXECUTOR_URL: List.optional(),
  WEBHOOK_DISPATCHER_URL: List.optional(),
  BILLING_URL: List.optional(),
  ENGINE_ORCHESTRATOR_POOL_URLS: PoolUrls.optional(),
  TOOL_EXECUTOR_POOL_URLS: PoolUrls.optional(),
});
export type ClusterEnvironment = z.infer<typeof ClusterEnvironment>;

/** What of a service's environment says how to reach Kafka. */
export const KafkaEnvironment = ClusterEnvironment.pick({ KAFKA_BROKERS: true, KAFKA_SSL_ENABLED: true, KAFKA_SSL_CA: true, KAFKA_SSL_CERT: true, KAFKA_SSL_KEY: true, KAFKA_SASL_MECHANISM: true, KAFKA_SASL_USERNAME: true, KAFKA_SASL_PASSWORD: true });
export type KafkaEnvironment = z.infer<typeof KafkaEnvironment>;

/** Kafka's address as its client takes it. */
export function kafkaAddress(environment: KafkaEnvironment, clientId: string): KafkaAddress {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = environment;
  return {
    clientId,
    brokers: environment.KAFKA_BROKERS,
    ssl: kafkaSsl(environment),
    ...(mechanism !== undefined && username !== undefined && password !== undefined && { sasl: { mechanism: mechanism as 'plain', username, password } }),
  };
}

/** The callers a service accepts, by name. */
export function acceptedTokens(environment: Pick<ClusterEnvironment, 'SERVICE_TOKENS'>): Map<string, string> {
  const pairs = (environment.SERVICE_TOKENS ?? []).map((entry): [string, string] => [entry.slice(0, entry.indexOf(':')), entry.slice(entry.indexOf(':') + 1)]);
  return new Map(pairs.filter(([name]) => (APPS as readonly string[]).includes(name)));
}
