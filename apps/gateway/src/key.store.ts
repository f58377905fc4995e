import { randomBytes } from 'node:crypto';
import { type ApiKey, AppError, type AnswerEncoding, type CreateKey, type RateLimits, type RunLimits, type Scope, ALL_SCOPES } from '@nightshift/contracts';
import { newId } from '@nightshift/std';
import { type Caller, hashOf, isSameHash, prefixOf } from './api-key.ts';
import type { ApiKey as Row, Org, PrismaClient } from './generated/client.ts';

const CACHE_MS = 2000;
const CACHE_ROWS = 10_000;

/** The organisation that the bootstrap key belongs to. */
export const DEFAULT_ORG = { id: 'org_default', name: 'default' };

/** API keys: stored hashed, shown once. A look-up is remembered for two seconds; so a revoked key lives no longer than that. */
export class KeyStore {
  readonly #prisma: PrismaClient;
  readonly #cache = new Map<string, { caller: Promise<Caller | undefined>; until: number }>();

  constructor(prisma: PrismaClient) {
    this.#prisma = prisma;
  }

  /** The caller a key proves, or undefined. */
  find(key: string): Promise<Caller | undefined> {
    const cached = this.#cache.get(key);
    if (cached && cached.until > Date.now()) return cached.caller;
    if (this.#cache.size >= CACHE_ROWS) this.#cache.clear();
    const caller = this.#look(key);
    this.#cache.set(key, { caller, until: Date.now() + CACHE_MS });
    caller.then(
      (found) => found ?? this.#cache.delete(key),
      () => this.#cache.delete(key),
    );
    return caller;
  }

  async #look(key: string): Promise<Caller | undefined> {
    const hash = hashOf(key);
    const rows = await this.#prisma.apiKey.findMany({ where: { prefix: prefixOf(key), revokedAt: null }, include: { org: true } });
    const row = rows.find((candidate) => isSameHash(candidate.hash, hash));
    if (!row || (row.expiresAt && row.expiresAt < new Date())) return undefined;
    return callerOf(row);
  }

  /** Makes a key for an organisation; the key itself is only in this answer. */
  async create(orgId: string, input: CreateKey): Promise<ApiKey & { key: string }> {
    if (!(await this.#prisma.org.findUnique({ where: { id: orgId } }))) throw new AppError('not_found', { message: 'There is no such organisation.' });
    const key = `sk-ns-${randomBytes(24).toString('base64url')}`;
    const { name, scopes, answerEncoding, expiresAt, limits, runLimits } = input;
    const row = await this.#prisma.apiKey.create({ data: { id: newId('key'), orgId, name, prefix: prefixOf(key), hash: Uint8Array.from(hashOf(key)), scopes, answerEncoding, limits: { ...limits }, runLimits, expiresAt: expiresAt === undefined ? null : new Date(expiresAt) } });
    return { ...viewOf(row), key };
  }

  async list(orgId: string): Promise<ApiKey[]> {
    return (await this.#prisma.apiKey.findMany({ where: { orgId }, orderBy: { id: 'asc' } })).map(viewOf);
  }

  /** Revokes a key for good; revoking again changes nothing. */
  async revoke(id: string): Promise<void> {
    const { count } = await this.#prisma.apiKey.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: new Date() } });
    if (count === 0 && !(await this.#prisma.apiKey.findUnique({ where: { id } }))) throw new AppError('not_found', { message: 'There is no such key.' });
    this.#cache.clear();
  }

  /** Makes the operator's first key once; a revoked one stays revoked. */
  async bootstrap(key: string): Promise<void> {
    await this.#prisma.org.createMany({ data: [DEFAULT_ORG], skipDuplicates: true });
    await this.#prisma.apiKey.createMany({
      data: [{ id: newId('key'), orgId: DEFAULT_ORG.id, name: 'bootstrap', prefix: prefixOf(key), hash: Uint8Array.from(hashOf(key)), scopes: [...ALL_SCOPES] }],
      skipDuplicates: true,
    });
  }
}

function callerOf(row: Row & { org: Org }): Caller {
  return {
    keyId: row.id,
    orgId: row.orgId,
    pool: row.org.pool,
    egressAllow: row.org.egressAllow as string[],
    scopes: row.scopes as Scope[],
    answerEncoding: row.answerEncoding as AnswerEncoding,
    runLimits: row.runLimits as RunLimits,
    rateLimits: { org: row.org.limits as RateLimits, key: row.limits as RateLimits },
  };
}

function viewOf(row: Row): ApiKey {
  return {
    id: row.id,
    orgId: row.orgId,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes as Scope[],
    answerEncoding: row.answerEncoding as AnswerEncoding,
    limits: row.limits as RateLimits,
    runLimits: row.runLimits as RunLimits,
    createdAt: row.createdAt.toISOString(),
    ...(row.expiresAt && { expiresAt: row.expiresAt.toISOString() }),
    ...(row.revokedAt && { revokedAt: row.revokedAt.toISOString() }),
  };
}
