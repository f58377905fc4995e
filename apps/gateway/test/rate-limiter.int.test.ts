import { afterEach, describe, expect, test } from '@jest/globals';
import type { RateLimits, TokensWait } from '@nightshift/contracts';
import { InternalClient, type InternalTransport } from '@nightshift/http';
import { infrastructure, uniqueName, waitFor } from '@nightshift/testing';
import type { Caller } from '../src/api-key.ts';
import { RateLimiter } from '../src/rate-limiter.client.ts';
import { RequestCounter } from '../src/request-counter.client.ts';

const counters: RequestCounter[] = [];
afterEach(() => counters.splice(0).forEach((counter) => counter.close()));

/** Nobody listens there. */
const AWAY = 'redis://127.0.0.1:1';
const NO_USAGE: TokensWait = { orgMs: 0, keyMs: 0 };

/** The limiter of one replica, and what it has asked billing. */
function replica({ redis, defaults = {}, billing = () => NO_USAGE }: { redis?: string; defaults?: RateLimits; billing?: () => TokensWait | Promise<TokensWait> } = {}) {
  const asked: string[] = [];
  const transport: InternalTransport = async ({ path }) => {
    asked.push(path);
    return { status: 200, body: JSON.stringify(await billing()) };
  };
  const requests = new RequestCounter(redis);
  counters.push(requests);
  return { limiter: new RateLimiter({ defaults, requests, billing: new InternalClient(transport, 'token') }), requests, asked };
}

function newCaller(rateLimits: Partial<Caller['rateLimits']> = {}): Caller {
  return { keyId: uniqueName('key'), orgId: uniqueName('org'), pool: 'shared', egressAllow: [], scopes: [], answerEncoding: 'object', runLimits: {}, rateLimits: { org: {}, key: {}, ...rateLimits } };
}

/** How each of so many requests, one after the other, ended: `ok`, or the seconds to wait. */
async function outcomes(count: number, check: (at: number) => Promise<void>): Promise<string[]> {
  const ends: string[] = [];
  for (let at = 0; at < count; at += 1) ends.push(await check(at).then(() => 'ok', (err: { code?: string }) => err.code ?? String(err)));
  return ends;
}

describe('a limit of requests in a minute', () => {
  test('holds over all replicas together', async () => {
    const replicas = [replica({ redis: infrastructure().redisUrl }), replica({ redis: infrastructure().redisUrl })];
    // Both are connected when the second sees what the first has counted.
    await waitFor(async () => {
      const probe = uniqueName('probe');
      await replicas[0]!.requests.count(probe);
      return (await replicas[1]!.requests.count(probe)).count === 2 || undefined;
    });
    const caller = newCaller({ org: { rpm: 3 } });
    expect(await outcomes(5, (at) => replicas[at % 2]!.limiter.check(caller))).toEqual(['ok', 'ok', 'ok', 'rate_limited', 'rate_limited']);
    await expect(replicas[0]!.limiter.check(caller)).rejects.toMatchObject({ code: 'rate_limited', headers: { 'retry-after': expect.stringMatching(/^([1-9]|[1-5]\d|60)$/), 'x-ratelimit-limit': '3' } });
  });

  test('is each organisation’s and each key’s own', async () => {
    const { limiter } = replica();
    const [one, other] = [newCaller({ org: { rpm: 3 }, key: { rpm: 2 } }), newCaller({ org: { rpm: 3 } })];
    expect(await outcomes(3, () => limiter.check(one))).toEqual(['ok', 'ok', 'rate_limited']);
    expect(await outcomes(2, () => limiter.check({ ...one, keyId: uniqueName('key') }))).toEqual(['ok', 'rate_limited']);
    expect(await outcomes(3, () => limiter.check(other))).toEqual(['ok', 'ok', 'ok']);
  });

  test('is the operator’s where the organisation has none, and none where nobody has set one', async () => {
    const { limiter } = replica({ defaults: { rpm: 1 } });
    expect(await outcomes(2, () => limiter.check(newCaller()))).toEqual(['ok', 'ok']);
    const caller = newCaller();
    expect(await outcomes(2, () => limiter.check(caller))).toEqual(['ok', 'rate_limited']);
    const unlimited = replica();
    const free = newCaller();
    expect(new Set(await outcomes(300, () => unlimited.limiter.check(free)))).toEqual(new Set(['ok']));
    expect(unlimited.asked).toEqual([]);
  });

  test('refuses nobody because Redis is away: each replica counts for itself meanwhile', async () => {
    const replicas = [replica({ redis: AWAY }), replica({ redis: AWAY })];
    const caller = newCaller({ org: { rpm: 2 } });
    expect(await outcomes(4, (at) => replicas[at % 2]!.limiter.check(caller))).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(await outcomes(1, () => replicas[0]!.limiter.check(caller))).toEqual(['rate_limited']);
  });
});

describe('a limit of tokens in a minute', () => {
  test('refuses requests for as long as billing says, and asks it once for those that come together', async () => {
    const { limiter, asked } = replica({ billing: () => ({ orgMs: 0, keyMs: 40_000 }) });
    const caller = newCaller({ org: { tpm: 9000 }, key: { tpm: 1000 } });
    const refused = await Promise.allSettled([limiter.check(caller), limiter.check(caller), limiter.check(caller)]);
    for (const one of refused) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'rate_limited', details: { counted: 'tokens', limit: 1000 }, headers: { 'retry-after': '40' } } });
    expect(asked.map((path) => Object.fromEntries(new URL(path, 'http://billing').searchParams))).toEqual([{ orgId: caller.orgId, orgTokens: '9000', apiKeyId: caller.keyId, keyTokens: '1000' }]);
  });

  test('refuses nobody when billing is away, or does not answer', async () => {
    const caller = newCaller({ org: { tpm: 1 } });
    for (const billing of [() => Promise.reject(new Error('away')), () => new Promise<never>(() => {})]) await expect(replica({ billing }).limiter.check(caller)).resolves.toBeUndefined();
  });
});
