import { EgressError, type Egress } from '@nightshift/http';
import { cleanJson } from '@nightshift/std';
import { ZodError } from 'zod';
import { providersFor, type Search, type SearchProvider, type SearchRequest, type SearchResult, type SearchTool } from './search.ts';

const TIMEOUT_MS = 20_000;
const REPLY_BYTES_MAX = 4 * 1024 * 1024;

/** A provider that the operator has configured. */
export interface ConfiguredProvider {
  readonly provider: SearchProvider;
  readonly baseUrl: string;
  readonly key: string;
}

/** What a search found, or why each provider that was asked found nothing to give. */
export type SearchOutcome =
  | { readonly ok: true; readonly provider: string; readonly results: readonly SearchResult[] }
  | { readonly ok: false; readonly failures: readonly { readonly provider: string; readonly problem: string }[] };

/** A provider that gave no results; the message holds nothing of what it said, which may repeat its key. */
class ProviderError extends Error {}

/** Searches with the providers that the operator has configured, in the order given. */
export class SearchClient {
  readonly #providers: readonly (ConfiguredProvider & Pick<SearchProvider, 'kinds'>)[];
  readonly #egress: Egress;

  /** `egress` has to let the operator's own addresses through. */
  constructor(providers: readonly ConfiguredProvider[], egress: Egress) {
    this.#providers = providers.map((configured) => ({ ...configured, kinds: configured.provider.kinds }));
    this.#egress = egress;
  }

  get configured(): string[] {
    return this.#providers.map(({ provider }) => provider.id);
  }

  /** True if some provider can do a search of this kind. */
  can(search: SearchTool): boolean {
    return providersFor(search, this.#providers).length > 0;
  }

  /** Asks the best provider for a search, and the next one if it fails. Rejects with EgressError `aborted` when the search is given up. */
  async search(search: Search, signal: AbortSignal): Promise<SearchOutcome> {
    const failures: { provider: string; problem: string }[] = [];
    for (const { provider, baseUrl, key } of providersFor(search, this.#providers)) {
      const sites = provider.kinds.has(search.kind) ? [] : search.sites;
      try {
        const reply = await this.#ask(baseUrl, provider.request({ ...search, sites }, key, new Date()), signal);
        return { ok: true, provider: provider.id, results: (cleanJson(provider.results(reply)) as SearchResult[]).slice(0, search.count) };
      } catch (err) {
        const problem = problemOf(err);
        if (problem === undefined) throw err;
        failures.push({ provider: provider.id, problem });
      }
    }
    return { ok: false, failures };
  }

  async #ask(baseUrl: string, { path, query, headers, body }: SearchRequest, signal: AbortSignal): Promise<unknown> {
    const url = new URL(baseUrl);
    url.pathname = url.pathname.replace(/\/$/, '') + path;
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const reply = await this.#egress.request({
      method: body === undefined ? 'GET' : 'POST',
      url: url.href,
      headers: { accept: 'application/json', 'user-agent': 'Nightshift-Tools/1', ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      timeoutMs: TIMEOUT_MS,
      responseBytesMax: REPLY_BYTES_MAX,
      signal,
    });
    if (reply.status < 200 || reply.status >= 300) throw new ProviderError(`answered with status ${reply.status}`);
    return JSON.parse(reply.body.toString('utf8'));
  }
}

/** What went wrong at a provider; undefined for what is not its fault. */
function problemOf(err: unknown): string | undefined {
  if (err instanceof ProviderError) return err.message;
  if (err instanceof EgressError) return err.code === 'aborted' ? undefined : err.message;
  return err instanceof ZodError || err instanceof SyntaxError ? 'gave a reply that is not in its format' : undefined;
}
