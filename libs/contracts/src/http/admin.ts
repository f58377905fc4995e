import { z } from 'zod';
import { RunLimits } from './engine.ts';
import { PoolName, SHARED_POOL } from './pool.ts';
import { AnswerEncoding } from './run.ts';

const Cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a CIDR such as 10.20.0.0/16' });

/** Requests that are more than reads, and tokens of model turns, in a minute; what is left out has no limit of its own. */
export const RateLimits = z.object({ rpm: z.number().int().positive().optional(), tpm: z.number().int().positive().optional() });
export type RateLimits = z.infer<typeof RateLimits>;

/** Body of POST /admin/v1/orgs. */
export const CreateOrg = z
  .object({ name: z.string().min(1).max(200), pool: PoolName.default(SHARED_POOL), limits: RateLimits.default({}), egressAllow: z.array(Cidr).default([]) })
  .meta({ id: 'CreateOrg' });
export type CreateOrg = z.infer<typeof CreateOrg>;

/** Body of PATCH /admin/v1/orgs/{id}: what is given is replaced. */
export const UpdateOrg = z
  .object({ name: z.string().min(1).max(200).optional(), pool: PoolName.optional(), limits: RateLimits.optional(), egressAllow: z.array(Cidr).optional() })
  .meta({ id: 'UpdateOrg' });
export type UpdateOrg = z.infer<typeof UpdateOrg>;

/** An organisation. */
export const Org = z
  .object({ id: z.string(), name: z.string(), pool: z.string(), limits: RateLimits, egressAllow: z.array(z.string()), createdAt: z.iso.datetime() })
  .meta({ id: 'Org' });
export type Org = z.infer<typeof Org>;

/** Reply to a change of an organisation. */
export const ChangedOrg = Org.extend({ warnings: z.array(z.string()).optional().describe('What the operator should know of the change, such as a pool that nobody serves.') }).meta({ id: 'ChangedOrg' });
export type ChangedOrg = z.infer<typeof ChangedOrg>;

/** What a key may do. */
export const Scope = z.enum(['runs:read', 'runs:write', 'usage:read']);
export type Scope = z.infer<typeof Scope>;
export const ALL_SCOPES: readonly Scope[] = Scope.options;

/** Body of POST /admin/v1/orgs/{id}/keys. */
export const CreateKey = z
  .object({
    name: z.string().min(1).max(200),
    scopes: z.array(Scope).min(1).default([...ALL_SCOPES]),
    answerEncoding: AnswerEncoding.default('object'),
    expiresAt: z.iso.datetime({ offset: true }).optional(),
    limits: RateLimits.default({}).describe('On top of those of the organisation.'),
    runLimits: RunLimits.default({}).describe('Bounds of each run of this key; they can only be lower than those of the engine.'),
  })
  .meta({ id: 'CreateKey' });
export type CreateKey = z.infer<typeof CreateKey>;

/** An API key without its secret. */
export const ApiKey = z
  .object({
    id: z.string(),
    orgId: z.string(),
    name: z.string(),
    prefix: z.string().describe('The first characters, to tell keys apart.'),
    scopes: z.array(Scope),
    answerEncoding: AnswerEncoding,
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().optional(),
    limits: RateLimits,
    runLimits: RunLimits,
    revokedAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

/** Reply of POST /admin/v1/orgs/{id}/keys: `key` is shown only here. */
export const CreatedKey = ApiKey.extend({ key: z.string() }).meta({ id: 'CreatedKey' });

export const OrgList = z.object({ orgs: z.array(Org) }).meta({ id: 'OrgList' });
export const KeyList = z.object({ keys: z.array(ApiKey) }).meta({ id: 'KeyList' });
