import { AppError, type InternalCreateSubscription, type InternalUpdateSubscription, type Subscription as View, type WebhookEventType, type WebhookFilters } from '@nightshift/contracts';
import { decrypt, encrypt, type EncryptionKeys } from '@nightshift/std';

/** How many subscriptions an organisation may have. */
export const SUBSCRIPTIONS_MAX = 100;

/** Who is told of the ends of an organisation's runs. Its secrets and headers are encrypted, bound to organisation and id. */
export interface Subscription {
  readonly id: string;
  readonly orgId: string;
  readonly callbackUrl: string;
  /** CIDRs that the organisation may reach besides the operator's. */
  readonly egressAllow: readonly string[];
  readonly eventTypes: readonly WebhookEventType[];
  readonly filters: WebhookFilters;
  readonly secret: string | null;
  /** The secret before the current one, which signs as well until `previousUntil`. */
  readonly previousSecret: string | null;
  readonly previousUntil: Date | null;
  readonly headers: string | null;
  readonly headerNames: readonly string[];
  readonly description: string | null;
  readonly enabled: boolean;
  readonly disabledReason: View['disabledReason'];
  readonly disabledAt: Date | null;
  /** Runs that ended before are none of its. */
  readonly activeSince: Date;
  readonly retrySeconds: readonly number[] | null;
  readonly ratePerMinute: number | null;
  readonly concurrency: number | null;
  readonly ordered: boolean;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A subscription that nobody has stored yet: the database's clock says when it was made. */
export type NewSubscription = Omit<Subscription, 'activeSince' | 'createdAt' | 'updatedAt' | 'disabledAt' | 'previousUntil'>;

const MASK = '********';

/** The subscription as it is shown. `secret` is its plain secret where that may be seen. */
export function viewOf(subscription: Subscription, secret?: string): View {
  const { id, orgId, callbackUrl, eventTypes, description, enabled, disabledReason, disabledAt, filters, headerNames, retrySeconds, ratePerMinute, concurrency, ordered, version, createdAt, updatedAt } = subscription;
  const shown = { id, orgId, callbackUrl, eventTypes: [...eventTypes], secret: secret ?? (subscription.secret === null ? null : MASK), description };
  const state = { enabled, disabledReason, disabledAt: disabledAt?.toISOString() ?? null, filters, headerNames: [...headerNames] };
  const limits = { retrySeconds: retrySeconds && [...retrySeconds], ratePerMinute, concurrency, ordered, version };
  return { ...shown, ...state, ...limits, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

/** What a request to make a subscription leads to. */
export function created({ id, orgId, egressAllow, subscription: given }: InternalCreateSubscription, keys: EncryptionKeys): NewSubscription {
  const { callbackUrl, eventTypes, secret, description, enabled, filters, headers, retrySeconds, ratePerMinute, concurrency, ordered, version } = given;
  return {
    id,
    orgId,
    callbackUrl,
    egressAllow,
    eventTypes: [...new Set(eventTypes)],
    filters: filters ?? {},
    secret: encryptSecret({ id, orgId }, secret ?? null, keys),
    previousSecret: null,
    ...encryptHeaders({ id, orgId }, headers ?? null, keys),
    description: description ?? null,
    enabled,
    disabledReason: enabled ? null : 'by_request',
    retrySeconds: retrySeconds ?? null,
    ratePerMinute: ratePerMinute ?? null,
    concurrency: concurrency ?? null,
    ordered: ordered ?? false,
    version,
  };
}

/**
 * A subscription with changes, at `now` on the database's clock. A new secret holds at once. Headers that the changes do not
 * name stay, but not for another origin. Throws `invalid_request`.
 */
export function changed(subscription: Subscription, { changes, egressAllow }: Pick<InternalUpdateSubscription, 'changes' | 'egressAllow'>, keys: EncryptionKeys, now: Date): Subscription {
  assertOrigin(subscription, changes);
  const { callbackUrl, eventTypes, secret, description, enabled, filters, headers, retrySeconds, ratePerMinute, concurrency, ordered, version } = changes;
  return {
    ...subscription,
    ...(callbackUrl !== undefined && { callbackUrl, egressAllow }),
    ...(eventTypes && { eventTypes: [...new Set(eventTypes)] }),
    ...(filters !== undefined && { filters: filters ?? {} }),
    ...(secret !== undefined && { secret: encryptSecret(subscription, secret, keys), previousSecret: null, previousUntil: null }),
    ...(headers !== undefined && encryptHeaders(subscription, headers, keys)),
    ...(description !== undefined && { description }),
    ...(retrySeconds !== undefined && { retrySeconds }),
    ...(ratePerMinute !== undefined && { ratePerMinute }),
    ...(concurrency !== undefined && { concurrency }),
    ...(ordered !== undefined && { ordered }),
    ...(version !== undefined && { version }),
    ...(enabled === true && !subscription.enabled && { enabled, disabledReason: null, disabledAt: null, activeSince: now }),
    ...(enabled === false && subscription.enabled && { enabled, disabledReason: 'by_request' as const, disabledAt: now }),
  };
}

/** A subscription with a new secret, beside which the old one signs for `graceSeconds` from `now` on. */
export function rotated(subscription: Subscription, secret: string, graceSeconds: number, keys: EncryptionKeys, now: Date): Subscription {
  const hasGrace = subscription.secret !== null && graceSeconds > 0;
  return {
    ...subscription,
    secret: encryptSecret(subscription, secret, keys),
    previousSecret: hasGrace ? subscription.secret : null,
    previousUntil: hasGrace ? new Date(now.getTime() + graceSeconds * 1000) : null,
  };
}

/** The secrets and headers of a subscription, in the clear. */
export interface Opened {
  readonly secret: string | null;
  readonly previousSecret: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** What is encrypted of a subscription, and what that is bound to. */
export type Sealed = Pick<Subscription, 'id' | 'orgId' | 'secret' | 'previousSecret' | 'headers'>;

/** Opens what is encrypted of a subscription; DecryptError if it cannot. */
export function opened({ id, orgId, secret, previousSecret, headers }: Sealed, keys: EncryptionKeys): Opened {
  const open = (text: string | null, what: string): string | null => (text === null ? null : decrypt(text, keys, contextOf({ id, orgId }, what)));
  return { secret: open(secret, 'secret'), previousSecret: open(previousSecret, 'secret'), headers: JSON.parse(open(headers, 'headers') ?? '{}') as Record<string, string> };
}

/** What is encrypted of a subscription, encrypted anew with the current key. */
export function reencrypted(sealed: Sealed, keys: EncryptionKeys): Pick<Subscription, 'secret' | 'previousSecret' | 'headers'> {
  const { secret, previousSecret, headers } = opened(sealed, keys);
  const anew = (text: string | null): string | null => encryptSecret(sealed, text, keys);
  return { secret: anew(secret), previousSecret: anew(previousSecret), headers: sealed.headers === null ? null : encryptHeaders(sealed, headers, keys).headers };
}

type Ids = Pick<Subscription, 'id' | 'orgId'>;

function contextOf({ id, orgId }: Ids, what: string): string {
  return `${orgId} ${id} ${what}`;
}

function encryptSecret(ids: Ids, secret: string | null, keys: EncryptionKeys): string | null {
  return secret === null ? null : encrypt(secret, keys, contextOf(ids, 'secret'));
}

function encryptHeaders(ids: Ids, headers: Record<string, string> | null, keys: EncryptionKeys): Pick<Subscription, 'headers' | 'headerNames'> {
  const names = Object.keys(headers ?? {});
  return { headers: names.length === 0 ? null : encrypt(JSON.stringify(headers), keys, contextOf(ids, 'headers')), headerNames: names.sort() };
}

function assertOrigin({ callbackUrl, headerNames }: Subscription, changes: InternalUpdateSubscription['changes']): void {
  const isMoved = changes.callbackUrl !== undefined && URL.parse(changes.callbackUrl)?.origin !== URL.parse(callbackUrl)?.origin;
  if (!isMoved || headerNames.length === 0 || changes.headers !== undefined) return;
  const problem = 'another origin is not sent the headers of this one; give headers again, or null';
  throw new AppError('invalid_request', { message: `callbackUrl: ${problem}`, details: { fields: { callbackUrl: problem } } });
}
