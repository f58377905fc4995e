import { createHash, timingSafeEqual } from 'node:crypto';
import { type AnswerEncoding, AppError, type RateLimits, type RunLimits, type Scope } from '@nightshift/contracts';

/** Who is calling, as a key proves it. */
export interface Caller {
  readonly keyId: string;
  readonly orgId: string;
  readonly pool: string;
  readonly egressAllow: readonly string[];
  readonly scopes: readonly Scope[];
  readonly answerEncoding: AnswerEncoding;
  readonly runLimits: RunLimits;
  readonly rateLimits: { readonly org: RateLimits; readonly key: RateLimits };
}

/** Refuses a caller whose key lacks a scope. */
export function assertScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (!scopes.includes(scope)) throw new AppError('permission_denied', { message: `The API key lacks the scope "${scope}".` });
}

const PREFIX_CHARS = 12;

/** The part of a key that may be shown and is looked up by; never more than half of a short key. */
export function prefixOf(key: string): string {
  return key.slice(0, Math.min(PREFIX_CHARS, Math.floor(key.length / 2)));
}

/** What is stored of a key. Keys are long random texts, so a plain SHA-256 cannot be guessed back. */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Compares hashes in constant time. */
export function isSameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The key of a request: `Authorization: Bearer …`, or `x-api-key`. */
export function presentedKey(headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  const { authorization, 'x-api-key': apiKey } = headers;
  if (typeof authorization === 'string') return /^bearer (\S+)$/i.exec(authorization.trim())?.[1];
  return typeof apiKey === 'string' && apiKey !== '' ? apiKey : undefined;
}
