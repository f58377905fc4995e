import { AppError, type RateLimits } from '@nightshift/contracts';
import type { Caller } from './api-key.ts';

/** What is counted in a minute. */
export type Counted = 'requests' | 'tokens';

/** A limit that a request came up against, and when there is room again. */
export interface Exceeded {
  readonly of: 'organisation' | 'API key';
  readonly counted: Counted;
  readonly limit: number;
  readonly waitMs: number;
}

/** The limits that a request is under: the organisation's, each of which stands before the operator's default, and the key's own. */
export function limitsOf({ rateLimits }: Pick<Caller, 'rateLimits'>, defaults: RateLimits): { readonly org: RateLimits; readonly key: RateLimits } {
  return { org: { ...defaults, ...rateLimits.org }, key: rateLimits.key };
}

/** The refusal of a request, with when to come back. */
export function tooMany({ of, counted, limit, waitMs }: Exceeded): AppError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new AppError('rate_limited', {
    message: `The ${of} may ${counted === 'requests' ? 'make' : 'use'} ${limit} ${counted} a minute; try again in ${seconds} s.`,
    details: { counted, limit, retryAfterSeconds: seconds },
    headers: { 'retry-after': String(seconds), 'x-ratelimit-limit': String(limit), 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(seconds) },
  });
}
