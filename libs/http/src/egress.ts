import { buildConnector, type Dispatcher, Pool } from 'undici';
import { type AddressRanges, blocked, type CheckedAddress, isPermitted, parseHttpUrl, parseRanges } from './egress-address.ts';
import { EgressError, toEgressError } from './egress-error.ts';
import { decodeBody, type Exchange, exchange, NotConnected, type RawResponse } from './egress-exchange.ts';
import { handsBodyOver, type Hop, nextHop, wireHeaders } from './egress-hop.ts';
import { createResolver, type Lookup } from './egress-resolver.ts';
import { openExchange, type StreamedResponse } from './egress-stream.ts';
import { startWatch, type Watch } from './egress-watch.ts';

export interface EgressOptions {
  /** CIDRs that may be reached although they are not public. */
  readonly allow: readonly string[];
  /** Connections per origin and address; further requests wait for one within their own time. Default 256. */
  readonly connections?: number;
  /** How long one address may take to accept a connection before the next is tried. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** How long the checked addresses of a name are used without asking again. Default 5000. */
  readonly addressTtlMs?: number;
  /** For how long after that they are used while the name is asked for anew. Default 60,000. */
  readonly addressStaleMs?: number;
  /** Replaces the system's resolver. */
  readonly lookup?: Lookup;
}

export interface EgressRequest {
  readonly method: string;
  /** `user:password@` is sent as basic authorization unless `headers` carry their own. */
  readonly url: string;
  /** Sent as they are, except that no content coding is ever accepted: users' headers go through sanitizeHeaders first. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** From the first DNS question to the last byte, redirects included. */
  readonly timeoutMs: number;
  /** What is kept of the body, after decoding. */
  readonly responseBytesMax: number;
  /** How many redirects are followed; at 0 (the default) a redirect is the answer. One that would take the body to another origin is refused. */
  readonly redirects?: number;
  readonly signal?: AbortSignal;
  /** Further CIDRs for this request, on top of the process's own. */
  readonly allow?: readonly string[];
  /** On whose behalf, such as an organisation: names of one owner that take long to resolve keep no other waiting. */
  readonly owner?: string;
}

export interface EgressResponse {
  /** Who answered, after the redirects. */
  readonly url: string;
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  /** True if the body is longer than what was kept of it. */
  readonly truncated: boolean;
  /** The body's own length: counted if it was read to its end, else what `content-length` said, else null. */
  readonly bodyBytes: number | null;
  readonly durationMs: number;
}

export interface Egress {
  /** Rejects with EgressError, or with RangeError if `allow` holds what is not a CIDR. */
  request(request: EgressRequest): Promise<EgressResponse>;
  /** The same, but answers with the head, while the body is on its way; follows no redirect. What is too long fails the body. */
  stream(request: Omit<EgressRequest, 'redirects'>): Promise<StreamedResponse>;
  close(): Promise<void>;
}

interface IdlePool {
  readonly pool: Pool;
  usedAt: number;
  inFlight: number;
}

/** For whom a request is made, and what they may reach. */
interface Behalf {
  readonly owner: string;
  readonly ranges: AddressRanges;
}

const poolIdleMs = 30_000;

/**
 * All outbound HTTP to addresses that users, models or other servers chose goes through one of these. Every address is
 * checked for the request at hand, and connections are kept by origin *and* address, so one that another organisation was
 * allowed to open is found again only by who may reach that very address.
 */
export function createEgress(options: EgressOptions): Egress {
  const rangesOf = rangeCache(options.allow);
  const resolver = createResolver({ lookup: options.lookup, ttlMs: options.addressTtlMs ?? 5000, staleMs: options.addressStaleMs ?? 60_000, namesMax: 10_000 });
  const connectTo = buildConnector({ timeout: options.connectTimeoutMs ?? 5000, allowH2: false });
  const pools = new Map<string, IdlePool>();

  function poolFor(url: URL, address: CheckedAddress): IdlePool {
    const key = `${url.origin} ${address.text}`;
    let found = pools.get(key);
    if (found === undefined) {
      const pool = new Pool(url.origin, {
        connections: options.connections ?? 256,
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: (target: buildConnector.Options, done: buildConnector.Callback) => connectTo({ ...target, hostname: address.text }, done),
      });
      found = { pool, usedAt: 0, inFlight: 0 };
      pools.set(key, found);
    }
    return found;
  }

  const behalfOf = ({ owner = '', allow }: Pick<EgressRequest, 'owner' | 'allow'>): Behalf => ({ owner, ranges: rangesOf(allow) });

  async function permittedAddresses(host: string, { owner, ranges }: Behalf, watch: Watch): Promise<CheckedAddress[]> {
    const known = resolver.resolve(host, owner);
    const resolved = Array.isArray(known) ? known : await watch.until(known);
    return resolved.filter((address) => isPermitted(address, ranges));
  }

  async function send<T>(hop: Hop, behalf: Behalf, watch: Watch, isFirst: boolean, start: (pool: Pool, request: Dispatcher.DispatchOptions, onStart: () => void) => Exchange<T>): Promise<T> {
    const host = hop.url.hostname;
    const addresses = await permittedAddresses(host, behalf, watch);
    const request: Dispatcher.DispatchOptions = {
      method: hop.method as Dispatcher.HttpMethod,
      path: hop.url.pathname + hop.url.search,
      headers: wireHeaders(hop),
      body: hop.body,
    };
    let failure: EgressError | undefined;
    for (const address of addresses) {
      const idle = poolFor(hop.url, address);
      idle.inFlight += 1;
      let isStarted = false;
      try {
        return await watch.during(() => start(idle.pool, request, () => (isStarted = true)));
      } catch (cause) {
        const error = toEgressError(cause instanceof NotConnected ? cause.cause : cause, host);
        // Time may be up before there is a connection; waiting for one that others use is another matter.
        const isUnsent = cause instanceof NotConnected || (error.code === 'timeout' && !isStarted && idle.pool.stats.connected === 0);
        failure = isUnsent && isFirst ? error.asUnsent() : error;
        if (!(cause instanceof NotConnected)) throw failure;
        resolver.demote(host, address);
      } finally {
        idle.inFlight -= 1;
        idle.usedAt = performance.now();
      }
    }
    throw failure ?? blocked(host);
  }

  /** Why a redirect that hands the body over is not followed: a private address is refused as such, whatever would be sent there. */
  async function refusal(hop: Hop, next: Hop, behalf: Behalf, watch: Watch): Promise<EgressError> {
    const addresses = await permittedAddresses(next.url.hostname, behalf, watch);
    if (addresses.length === 0) return blocked(next.url.hostname);
    return new EgressError('redirect_refused', `${hop.url.hostname} redirects to ${next.url.origin}, and a body is not sent on to another origin`);
  }

  async function request(wanted: EgressRequest): Promise<EgressResponse> {
    const startedAt = performance.now();
    const behalf = behalfOf(wanted);
    let hop = firstHop(wanted);
    const watch = startWatch(wanted, hop.url.hostname);
    try {
      for (let followed = 0; ; followed += 1) {
        const raw = await send(hop, behalf, watch, followed === 0, (pool, options, onStart) => exchange(pool, options, wanted.responseBytesMax, onStart));
        const next = wanted.redirects ? nextHop(hop, raw) : null;
        if (next === null) return await finish(hop.url, raw, wanted.responseBytesMax, startedAt);
        if (followed >= (wanted.redirects ?? 0)) throw new EgressError('too_many_redirects', `${hop.url.hostname} redirects too often`);
        if (handsBodyOver(hop, next)) throw await refusal(hop, next, behalf, watch);
        hop = next;
      }
    } finally {
      watch.stop();
    }
  }

  async function stream(wanted: Omit<EgressRequest, 'redirects'>): Promise<StreamedResponse> {
    const behalf = behalfOf(wanted);
    const hop = firstHop(wanted);
    const { hostname } = hop.url;
    const watch = startWatch(wanted, hostname);
    try {
      const answer = await send(hop, behalf, watch, true, (pool, options, onStart) => openExchange(pool, options, { host: hostname, bytesMax: wanted.responseBytesMax, onStart }));
      if (answer.body.closed) watch.stop();
      else answer.body.once('close', () => watch.stop());
      return answer;
    } catch (err) {
      watch.stop();
      throw err;
    }
  }

  const sweep = setInterval(() => {
    const idleSince = performance.now() - poolIdleMs;
    for (const [key, { pool, inFlight, usedAt }] of pools) {
      if (inFlight > 0 || usedAt > idleSince) continue;
      pools.delete(key);
      void pool.close();
    }
  }, poolIdleMs / 3).unref();

  return {
    request,
    stream,
    async close() {
      clearInterval(sweep);
      const open = [...pools.values()];
      pools.clear();
      await Promise.all(open.map(({ pool }) => pool.destroy()));
    },
  };
}

function firstHop({ url, method, headers, body }: EgressRequest): Hop {
  return { url: parseHttpUrl(url), method, headers: headers ?? {}, body: body ?? null };
}

function rangeCache(own: readonly string[]): (further: readonly string[] | undefined) => AddressRanges {
  const ownRanges = parseRanges(own);
  const cached = new Map<string, AddressRanges>();
  return (further) => {
    if (further === undefined || further.length === 0) return ownRanges;
    const key = further.join();
    let ranges = cached.get(key);
    if (ranges === undefined) {
      if (cached.size >= 1000) cached.clear();
      ranges = [...ownRanges, ...parseRanges(further)];
      cached.set(key, ranges);
    }
    return ranges;
  };
}

async function finish(url: URL, raw: RawResponse, bytesMax: number, startedAt: number): Promise<EgressResponse> {
  const { body, truncated } = await decodeBody(raw, bytesMax);
  const length = Number(raw.headers['content-length'] ?? Number.NaN);
  const announced = raw.headers['content-encoding'] === undefined && Number.isSafeInteger(length) ? length : null;
  return {
    url: url.href,
    status: raw.status,
    headers: raw.headers,
    body,
    truncated,
    bodyBytes: truncated ? announced : body.length,
    durationMs: Math.round(performance.now() - startedAt),
  };
}
