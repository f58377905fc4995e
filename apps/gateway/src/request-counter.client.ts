import { Redis } from 'ioredis';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';

const MINUTE = { keyPrefix: 'nightshift.requests', duration: 60, points: Number.MAX_SAFE_INTEGER };
const RECONNECT_MAX_MS = 1000;
/** A request waits no longer for a Redis that hangs. */
const ANSWER_MAX_MS = 250;

/** Counts requests by the minute: in Redis for all replicas together, or in memory; also in memory for as long as Redis is away. */
export class RequestCounter {
  readonly #counts: RateLimiterAbstract;
  readonly #redis: Redis | undefined;

  constructor(redisUrl: string | undefined) {
    const memory = new RateLimiterMemory(MINUTE);
    this.#redis = redisUrl === undefined ? undefined : new Redis(redisUrl, { maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: ANSWER_MAX_MS, retryStrategy: (times) => Math.min(times * 50, RECONNECT_MAX_MS) });
    // That it is away is said by the readiness of the hints, which live in the same Redis.
    this.#redis?.on('error', () => undefined);
    this.#counts = this.#redis ? new RateLimiterRedis({ ...MINUTE, storeClient: this.#redis, rejectIfRedisNotReady: true, insuranceLimiter: memory }) : memory;
  }

  /** Counts one request of `who`, and says how many that makes within a minute that ends in `endsInMs`. Never rejects because of Redis. */
  async count(who: string): Promise<{ count: number; endsInMs: number }> {
    const { consumedPoints, msBeforeNext } = await this.#counts.penalty(who);
    return { count: consumedPoints, endsInMs: msBeforeNext };
  }

  close(): void {
    this.#redis?.disconnect();
  }
}
