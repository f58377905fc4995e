import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** Keys of secrets at rest, 32 bytes in base64 each. `previous` only opens what was encrypted before the key was changed. */
export interface EncryptionKeys {
  readonly current: string;
  readonly previous?: string | undefined;
}

/** A text that was changed, was encrypted with another key or for another context, or is none. It says nothing about the content. */
export class DecryptError extends Error {
  override readonly name = 'DecryptError';
}

const nonceBytes = 12;
const tagBytes = 16;

/** What every text begins with that was encrypted with `key`. Throws RangeError if the key is not 32 bytes of base64. */
export function encryptionPrefix(key: string): string {
  return `enc:v1:${createHash('sha256').update(rawKey(key)).digest('hex').slice(0, 8)}:`;
}

/** Encrypts a text with the current key (AES-256-GCM); it opens only with the same `context`, such as the id of the row it stands in. */
export function encrypt(plaintext: string, keys: EncryptionKeys, context: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', rawKey(keys.current), nonce).setAAD(Buffer.from(context));
  const encrypted = Buffer.concat([nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return encryptionPrefix(keys.current) + encrypted.toString('base64url');
}

/** Opens what `encrypt` made with the same context and one of the keys; throws DecryptError if it cannot. */
export function decrypt(text: string, keys: EncryptionKeys, context: string): string {
  const found = [keys.current, keys.previous].flatMap((key) => (key === undefined ? [] : [{ key, prefix: encryptionPrefix(key) }])).find(({ prefix }) => text.startsWith(prefix));
  if (!found) throw new DecryptError('a text was encrypted with a key that is not known, or not at all');
  const encrypted = Buffer.from(text.slice(found.prefix.length), 'base64url');
  if (encrypted.length < nonceBytes + tagBytes) throw new DecryptError('not an encrypted text');
  try {
    const decipher = createDecipheriv('aes-256-gcm', rawKey(found.key), encrypted.subarray(0, nonceBytes), { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(context)).setAuthTag(encrypted.subarray(-tagBytes));
    return Buffer.concat([decipher.update(encrypted.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new DecryptError('an encrypted text cannot be opened with this key and context', { cause });
  }
}

function rawKey(base64: string): Buffer {
  const raw = Buffer.from(base64, 'base64');
  if (raw.length !== 32) throw new RangeError('an encryption key is 32 bytes in base64');
  return raw;
}
