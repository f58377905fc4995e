import { randomBytes } from 'node:crypto';

/** What an id names; the prefix of its text. */
export type IdPrefix = 'run' | 'call' | 'whd' | 'org' | 'key' | 'evt' | 'dlq';

const POOL_BYTES = 4096;
let pool = randomBytes(POOL_BYTES);
let used = 0;

/** A new id: prefix, underscore, UUIDv7 without dashes (RFC 9562 §5.7), so ids sort by the millisecond they were made in. */
export function newId(prefix: IdPrefix, nowMs: number = Date.now()): string {
  if (used + 10 > POOL_BYTES) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  const random = Buffer.from(pool.subarray(used, used + 10));
  used += 10;
  random[0] = (random[0]! & 0x0f) | 0x70;
  random[2] = (random[2]! & 0x3f) | 0x80;
  return `${prefix}_${nowMs.toString(16).padStart(12, '0')}${random.toString('hex')}`;
}
