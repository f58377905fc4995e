import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

/** An X25519 pair; each half is 32 raw bytes in base64. */
export interface SealKeyPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** A sealed text that was changed, was made for another key or context, or is none. It says nothing about the content. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';
}

interface SenderKey {
  readonly ephemeral: Buffer;
  readonly key: Buffer;
  uses: number;
}

const prefix = 'sealed:v1:';
const ephemeralBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
// Key agreement costs three times the encryption, so one ephemeral key serves many boxes. Its private half is forgotten at
// once, and random 96-bit nonces are safe for far more boxes than this.
const usesMax = 1000;
const keysMax = 1000;
// RFC 8410: what precedes the 32 raw bytes in DER.
const publicDer = Buffer.from('302a300506032b656e032100', 'hex');
const privateDer = Buffer.from('302e020100300506032b656e04220420', 'hex');

const senderKeys = new Map<string, SenderKey>();
const receiverKeys = new Map<string, Buffer>();

export function generateSealKeyPair(): SealKeyPair {
  const { x, d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  return { publicKey: Buffer.from(x ?? '', 'base64url').toString('base64'), privateKey: Buffer.from(d ?? '', 'base64url').toString('base64') };
}

/** The public half of a private one. Throws if that is not 32 bytes of base64. */
export function sealPublicKeyOf(privateKey: string): string {
  return rawPublicKey(ownKey(privateKey)).toString('base64');
}

/**
 * Seals a text so that only the holder of the private half can open it, and only with the same `context` (for example the
 * organisation it belongs to). X25519, HKDF-SHA256, AES-256-GCM; 90 characters longer than the text's base64. Throws if the
 * key is not 32 bytes of base64.
 */
export function seal(plaintext: string, publicKey: string, context: string): string {
  let sender = senderKeys.get(publicKey);
  if (sender === undefined || sender.uses >= usesMax) {
    sender = newSenderKey(publicKey);
    remember(senderKeys, publicKey, sender);
  }
  sender.uses += 1;
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', sender.key, nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([sender.ephemeral, nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return prefix + sealed.toString('base64url');
}

/** Opens what `seal` made with the same context; throws UnsealError if it cannot. */
export function unseal(text: string, privateKey: string, context: string): string {
  const sealed = isSealed(text) ? Buffer.from(text.slice(prefix.length), 'base64url') : Buffer.alloc(0);
  if (sealed.length < ephemeralBytes + nonceBytes + tagBytes) throw new UnsealError('not a sealed text');
  const ephemeral = sealed.subarray(0, ephemeralBytes);
  const nonce = sealed.subarray(ephemeralBytes, ephemeralBytes + nonceBytes);
  const body = sealed.subarray(ephemeralBytes + nonceBytes, -tagBytes);
  try {
    const decipher = createDecipheriv('aes-256-gcm', receiverKey(ephemeral, privateKey), nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(-tagBytes));
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new UnsealError('a sealed text cannot be opened with this key and context', { cause });
  }
}

/** True for the form that `seal` returns. Users can write that form too: it never tells whether a text still has to be sealed. */
export function isSealed(text: string): boolean {
  return text.startsWith(prefix);
}

function newSenderKey(publicKey: string): SenderKey {
  const receiver = rawKey(publicKey);
  const pair = generateKeyPairSync('x25519');
  const ephemeral = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const shared = diffieHellman({ privateKey: pair.privateKey, publicKey: publicKeyOf(receiver) });
  return { ephemeral, key: deriveKey(shared, ephemeral, receiver), uses: 0 };
}

function receiverKey(ephemeral: Buffer, privateKey: string): Buffer {
  const id = `${ephemeral.toString('base64url')} ${privateKey}`;
  let key = receiverKeys.get(id);
  if (key === undefined) {
    const own = ownKey(privateKey);
    key = deriveKey(diffieHellman({ privateKey: own, publicKey: publicKeyOf(ephemeral) }), ephemeral, rawPublicKey(own));
    remember(receiverKeys, id, key);
  }
  return key;
}

function ownKey(privateKey: string): KeyObject {
  return createPrivateKey({ key: Buffer.concat([privateDer, rawKey(privateKey)]), format: 'der', type: 'pkcs8' });
}

function rawPublicKey(own: KeyObject): Buffer {
  return Buffer.from(createPublicKey(own).export({ format: 'jwk' }).x ?? '', 'base64url');
}

function deriveKey(shared: Buffer, ephemeral: Buffer, receiver: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, receiver]), prefix, 32));
}

function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([publicDer, raw]), format: 'der', type: 'spki' });
}

function rawKey(base64: string): Buffer {
  const raw = Buffer.from(base64, 'base64');
  if (raw.length !== 32) throw new RangeError('a seal key is 32 bytes in base64');
  return raw;
}

function remember<T>(map: Map<string, T>, id: string, value: T): void {
  if (map.size >= keysMax) map.clear();
  map.set(id, value);
}
