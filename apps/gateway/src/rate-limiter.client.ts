import { type RateLimits, TokensWait } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import type { Caller } from './api-key.ts';
import { limitsOf, tooMany } from './rate-limit.ts';
import type { RequestCounter } from './request-counter.client.ts';

const CACHE_MS = 2000;
const CACHE_ROWS = 10_000;
/** A request waits no longer for billing. */
const ANSWER_MAX_MS = 1000;
const NO_WAIT: TokensWait = { orgMs: 0, keyMs: 0 };

/** Holds organisations and keys to their limits. What is needed for that may be away: then requests pass. */
export class RateLimiter {
  readonly #defaults: RateLimits;
  readonly #requests: RequestCounter;
  readonly #billing: InternalClient;
  readonly #waits = new Map<string, { readonly wait: Promise<TokensWait>; readonly askedAt: number }>();

  constructor({ defaults, requests, billing }: { defaults: RateLimits; requests: RequestCounter; billing: InternalClient }) {
    this.#defaults = defaults;
    this.#requests = requests;
    this.#billing = billing;
  }

  /** Counts a request, and throws `rate_limited` if it is more than the caller's limits allow. Who has none costs nothing. */
  async check(caller: Caller): Promise<void> {
    const { org, key } = limitsOf(caller, this.#defaults);
    if (key.rpm !== undefined) await this.#checkRequests('API key', caller.keyId, key.rpm);
    if (org.rpm !== undefined) await this.#checkRequests('organisation', caller.orgId, org.rpm);
    if (org.tpm === undefined && key.tpm === undefined) return;
    const { orgMs, keyMs } = await this.#tokensWait({ orgId: caller.orgId, orgTokens: org.tpm, apiKeyId: caller.keyId, keyTokens: key.tpm });
    if (key.tpm !== undefined && keyMs > 0) throw tooMany({ of: 'API key', counted: 'tokens', limit: key.tpm, waitMs: keyMs });
    if (org.tpm !== undefined && orgMs > 0) throw tooMany({ of: 'organisation', counted: 'tokens', limit: org.tpm, waitMs: orgMs });
  }

  async #checkRequests(of: 'organisation' | 'API key', id: string, limit: number): Promise<void> {
    const { count, endsInMs } = await this.#requests.count(id);
    if (count > limit) throw tooMany({ of, counted: 'requests', limit, waitMs: endsInMs });
  }

  /** What billing says, remembered for two seconds. */
  async #tokensWait(query: Record<string, string | number | undefined>): Promise<TokensWait> {
    const asked = new URLSearchParams(Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]]))).toString();
    const now = performance.now();
    let known = this.#waits.get(asked);
    if (known === undefined || now - known.askedAt > CACHE_MS) {
      if (this.#waits.size >= CACHE_ROWS) this.#waits.clear();
      known = { wait: this.#ask(asked), askedAt: now };
      this.#waits.set(asked, known);
    }
    const { orgMs, keyMs } = await known.wait;
    const passedMs = now - known.askedAt;
    return { orgMs: Math.max(0, orgMs - passedMs), keyMs: Math.max(0, keyMs - passedMs) };
  }

  #ask(query: string): Promise<TokensWait> {
    const answer = this.#billing.call({ method: 'GET', path: `/internal/usage/wait?${query}`, once: true }, TokensWait).catch(() => NO_WAIT);
    const late = new Promise<TokensWait>((resolve) => void setTimeout(() => resolve(NO_WAIT), ANSWER_MAX_MS).unref());
    return Promise.race([answer, late]);
  }
}
