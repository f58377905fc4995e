import { createHmac, type Hmac } from 'node:crypto';

/** What is signed. */
export interface Signed {
  readonly deliveryId: string;
  /** Unix seconds of the attempt. */
  readonly timestamp: number;
  readonly body: Buffer;
}

/** The secrets that sign: while there is a previous one, both do. */
export interface Secrets {
  readonly secret: string | null;
  readonly previousSecret: string | null;
}

const STANDARD_PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The headers that prove an attempt; none without a secret. `x-webhook-signature` is the HMAC of the body alone, with the
 * previous secret as long as there is one, so that receivers who know only that still verify; `webhook-signature` follows
 * Standard Webhooks and lists one signature per secret.
 */
export function signatureHeaders({ secret, previousSecret }: Secrets, signed: Signed): Record<string, string> {
  if (secret === null) return {};
  if (previousSecret === null) return { 'x-webhook-signature': hexOf(secret, signed.body), 'webhook-signature': standardOf(secret, signed) };
  return {
    'x-webhook-signature': hexOf(previousSecret, signed.body),
    'x-webhook-signature-new': hexOf(secret, signed.body),
    'webhook-signature': `${standardOf(secret, signed)} ${standardOf(previousSecret, signed)}`,
  };
}

function hexOf(secret: string, body: Buffer): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

function standardOf(secret: string, { deliveryId, timestamp, body }: Signed): string {
  return `v1,${standardHmac(secret).update(`${deliveryId}.${timestamp}.`).update(body).digest('base64')}`;
}

/** With what `whsec_` precedes, decoded, as the key of Standard Webhooks; a secret of another form is its own bytes. Keys are given as texts, which costs a fraction of what bytes do. */
function standardHmac(secret: string): Hmac {
  const encoded = secret.startsWith(STANDARD_PREFIX) ? secret.slice(STANDARD_PREFIX.length) : '';
  return encoded !== '' && BASE64.test(encoded) ? createHmac('sha256', encoded, { encoding: 'base64' }) : createHmac('sha256', secret);
}
