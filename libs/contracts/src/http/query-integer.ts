import { z } from 'zod';

const DIGITS = /^\d+$/;

/** An integer of a query, from `min` to `max`: decimal digits and nothing else, where coercion alone would take "", "1e2" and "0x10" as well. */
export function queryInteger(min: number, max: number) {
  const number = z.coerce.number({ error: `must be an integer from ${min} to ${max}` }).int().min(min).max(max);
  return z.preprocess((given) => (typeof given === 'string' && !DIGITS.test(given) ? Number.NaN : given), number);
}
