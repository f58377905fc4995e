import { createHmac, timingSafeEqual } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { signatureHeaders } from './signature.ts';

const body = Buffer.from('{"runId":"run_1","answer":"Curaçao \\u2028"}');
const whsec = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
const now = () => Math.floor(Date.now() / 1000);
const sign = (secret: string, previousSecret: string | null = null, timestamp = now()) => ({
  'webhook-id': 'whd_1',
  'webhook-timestamp': String(timestamp),
  ...(signatureHeaders({ secret, previousSecret }, { deliveryId: 'whd_1', timestamp, body }) as Record<'x-webhook-signature' | 'x-webhook-signature-new' | 'webhook-signature', string>),
});

/** What a receiver does that knows the body's signature alone. */
function verifies(secret: string, signature: string | undefined, bytes: Buffer = body): boolean {
  const expected = createHmac('sha256', secret).update(bytes).digest();
  const given = Buffer.from(signature ?? '', 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

describe('a signed attempt', () => {
  test('is accepted by the Standard Webhooks library, with a whsec_ secret', () => {
    expect(new Webhook(whsec(1)).verify(body, sign(whsec(1)))).toEqual(JSON.parse(body.toString()));
  });

  test('is accepted by that library with a secret of another form, whose bytes are the key', () => {
    for (const secret of ['just a text', 'whsec_not base64!', 'whsec_']) {
      expect(new Webhook(secret, { format: 'raw' }).verify(body, sign(secret))).toEqual(JSON.parse(body.toString()));
    }
  });

  test('is accepted by who computes the HMAC of the body', () => {
    for (const secret of [whsec(1), 'just a text']) expect(verifies(secret, sign(secret)['x-webhook-signature'])).toBe(true);
  });

  test.each([
    ['another secret', whsec(2), body, now()],
    ['a body with a byte changed', whsec(1), Buffer.from(body.toString().replace('run_1', 'run_2')), now()],
    ['a time long ago', whsec(1), body, now() - 3600],
  ])('is refused with %s', (_, secret, bytes, timestamp) => {
    expect(() => new Webhook(secret).verify(bytes, sign(whsec(1), null, timestamp))).toThrow(WebhookVerificationError);
  });

  test('is bound to its id and its time by the standard signature, not by that of the body alone', () => {
    const headers = sign(whsec(1));
    expect(() => new Webhook(whsec(1)).verify(body, { ...headers, 'webhook-id': 'whd_2' })).toThrow(WebhookVerificationError);
    expect(sign(whsec(1), null, 1)['x-webhook-signature']).toBe(sign(whsec(1), null, 2)['x-webhook-signature']);
  });

  test('differs with every byte of the body', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), (bytes, at) => {
        const other = Buffer.from(bytes);
        other[at % other.length]! ^= 1;
        const of = (content: Buffer) => signatureHeaders({ secret: 'secret-1', previousSecret: null }, { deliveryId: 'd', timestamp: 1, body: content })['x-webhook-signature'];
        return of(Buffer.from(bytes)) !== of(other);
      }),
    );
  });
});

describe('while a secret is being changed', () => {
  const headers = sign(whsec(2), whsec(1));

  test('receivers verify with either secret', () => {
    for (const secret of [whsec(1), whsec(2)]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body.toString()));
    expect(() => new Webhook(whsec(3)).verify(body, headers)).toThrow(WebhookVerificationError);
  });

  test('the body’s signature is still made with the old one, and beside it with the new one', () => {
    expect(verifies(whsec(1), headers['x-webhook-signature'])).toBe(true);
    expect(verifies(whsec(2), headers['x-webhook-signature-new'])).toBe(true);
    expect(sign(whsec(2))).not.toHaveProperty('x-webhook-signature-new');
  });
});

test('without a secret nothing is signed', () => {
  expect(signatureHeaders({ secret: null, previousSecret: null }, { deliveryId: 'whd_1', timestamp: 1, body })).toEqual({});
});
