import { DEFAULT_ENGINES, type Engine, type EnginesFile, type ReasoningEffort, type Upstream } from '@nightshift/contracts';
import type { BreakerSettings } from './breaker.ts';

/** One address that answers for models. */
export interface UpstreamSettings {
  readonly kind: Upstream['kind'];
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  /** Where the operator set the key. */
  readonly apiKeyName: string;
  /** Requests in flight at once. */
  readonly concurrency: number;
  readonly requestsPerMinute: number | undefined;
  readonly tokensPerMinute: number | undefined;
  readonly responseFormat: NonNullable<Upstream['responseFormat']>;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly breaker: BreakerSettings;
}

/** A model of an upstream, and what has to be known of it to ask it. */
export interface Target {
  readonly upstream: string;
  readonly model: string;
  readonly responseFormat: UpstreamSettings['responseFormat'];
  readonly reasoningEffort?: ReasoningEffort | undefined;
}

/** The engines this installation serves, and the upstreams behind them. */
export interface Catalogue {
  readonly engines: readonly Engine[];
  readonly upstreams: Readonly<Record<string, UpstreamSettings>>;
  /** True when nothing is configured and the offline engine answers. */
  readonly offline: boolean;
}

/** Where the catalogue comes from. */
export interface CatalogueSettings {
  readonly file: EnginesFile | undefined;
  readonly baseUrl: string | undefined;
  readonly apiKey: string | undefined;
  readonly model: string | undefined;
  /** Address of the offline engine. */
  readonly offlineUrl: () => string;
  /** The key an upstream of the file names, by variable or file. */
  readonly keyOf: (upstream: Upstream) => string | undefined;
}

const CONCURRENCY = 256;
const FIRST_BYTE_TIMEOUT_MS = 300_000;
const IDLE_TIMEOUT_MS = 120_000;
const BREAKER: BreakerSettings = { failures: 10, openMs: 1000 };

/** An upstream as it is configured, with the defaults for what is left out. */
export function upstreamOf(upstream: Upstream, apiKey: string | undefined, apiKeyName: string): UpstreamSettings {
  const { kind, baseUrl, requestsPerMinute, tokensPerMinute, breaker } = upstream;
  return {
    kind,
    baseUrl,
    apiKey,
    apiKeyName,
    concurrency: upstream.concurrency ?? CONCURRENCY,
    requestsPerMinute,
    tokensPerMinute,
    responseFormat: upstream.responseFormat ?? (kind === 'openai' ? 'json_schema' : 'none'),
    firstByteTimeoutMs: upstream.firstByteTimeoutMs ?? FIRST_BYTE_TIMEOUT_MS,
    idleTimeoutMs: upstream.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    breaker: { failures: breaker?.failures ?? BREAKER.failures, openMs: breaker?.openMs ?? BREAKER.openMs },
  };
}

/** The catalogue: the file wins over the single upstream, and without either the offline engine answers for every engine. */
export function catalogueOf(settings: CatalogueSettings): Catalogue {
  const { file, baseUrl } = settings;
  if (file) {
    const upstreams = Object.entries(file.upstreams).map(([name, upstream]) => [name, upstreamOf(upstream, settings.keyOf(upstream), upstream.apiKeyEnv ?? upstream.apiKeyFile ?? 'apiKeyEnv')] as const);
    return { engines: file.engines, upstreams: Object.fromEntries(upstreams), offline: false };
  }
  const offline = baseUrl === undefined;
  const upstream = upstreamOf({ kind: 'openai', baseUrl: baseUrl ?? settings.offlineUrl() }, settings.apiKey, 'UPSTREAM_API_KEY');
  const engines = DEFAULT_ENGINES.map((engine) => ({ ...engine, upstreams: [{ name: 'default', model: settings.model ?? engine.id }] }));
  return { engines, upstreams: { default: upstream }, offline };
}

/** What an engine asks, in order of preference. */
export function targetsOf({ upstreams }: Catalogue, engine: Engine): Target[] {
  return engine.upstreams.map(({ name, model, reasoningEffort }) => ({ upstream: name, model, responseFormat: upstreams[name]?.responseFormat ?? 'none', reasoningEffort }));
}
