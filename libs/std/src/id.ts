import { randomBytes } from 'node:crypto';

/** What an id names; the prefix of its text. */
export type IdPrefix = 'run' | 'call' | 'tool' | 'whs' | 'whd' | 'org' | 'key' | 'evt' | 'dlq' | 'proc';

const POOL_BYTES = 4096;
let pool = randomBytes(POOL_BYTES);
let used = 0;

/** Fresh random bytes as lower-case hexadecimal digits; `count` up to 4096. */
export function randomHex(count: number): string {
  return take(count).toString('hex');
}

function take(count: number): Buffer {
  if (used + count > POOL_BYTES) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  used += count;
  return Buffer.from(pool.subarray(used - count, used));
}

/** A new id: prefix, underscore, UUIDv7 without dashes (RFC 9562 §5.7), so ids sort by the millisecond they were made in. */
export function newId(prefix: IdPrefix, nowMs: number = Date.now()): string {
  return `${prefix}_${timeOrderedHex(nowMs)}`;
}

/** When an id was made, in milliseconds since 1970. */
export function madeAtMs(id: string): number {
  return Number.parseInt(id.slice(id.indexOf('_') + 1).slice(0, 12), 16);
}

/** A UUIDv7 without dashes. */
export function timeOrderedHex(nowMs: number = Date.now()): string {
  const random = take(10);
  random[0] = (random[0]! & 0x0f) | 0x70;
  random[2] = (random[2]! & 0x3f) | 0x80;
  return `${nowMs.toString(16).padStart(12, '0')}${random.toString('hex')}`;
}
