import { DEFAULT_ENGINES, type Engine, type EnginesFile } from '@nightshift/contracts';

/** One address that answers for models. */
export interface UpstreamSettings {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  /** Where the operator set the key. */
  readonly apiKeyName: string;
  /** Requests in flight at once. */
  readonly concurrency: number;
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
  readonly keyOf: (upstream: EnginesFile['upstreams'][string]) => string | undefined;
}

const CONCURRENCY = 256;

/** The catalogue: the file wins over the single upstream, and without either the offline engine answers for every engine. */
export function catalogueOf(settings: CatalogueSettings): Catalogue {
  const { file, baseUrl } = settings;
  if (file) {
    const upstreams = Object.entries(file.upstreams).map(([name, upstream]): [string, UpstreamSettings] => [
      name,
      { baseUrl: upstream.baseUrl, apiKey: settings.keyOf(upstream), apiKeyName: upstream.apiKeyEnv ?? upstream.apiKeyFile ?? 'apiKeyEnv', concurrency: upstream.concurrency ?? CONCURRENCY },
    ]);
    return { engines: file.engines, upstreams: Object.fromEntries(upstreams), offline: false };
  }
  const offline = baseUrl === undefined;
  const upstream: UpstreamSettings = { baseUrl: baseUrl ?? settings.offlineUrl(), apiKey: settings.apiKey, apiKeyName: 'UPSTREAM_API_KEY', concurrency: CONCURRENCY };
  const engines = DEFAULT_ENGINES.map((engine) => ({ ...engine, upstreams: [{ name: 'default', model: settings.model ?? engine.id }] }));
  return { engines, upstreams: { default: upstream }, offline };
}
