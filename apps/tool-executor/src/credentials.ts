import { unseal, UnsealError } from '@nightshift/std';

/** What a tool's sealed text holds: an empty object without one, undefined for one that cannot be opened any more. */
export function openCredentials<T>(schema: { parse(value: unknown): T }, sealed: string | undefined, privateKey: string, orgId: string): T | undefined {
  if (sealed === undefined) return schema.parse({});
  try {
    return schema.parse(JSON.parse(unseal(sealed, privateKey, orgId)));
  } catch (err) {
    if (err instanceof UnsealError) return undefined;
    throw err;
  }
}

/** What the model is told of a tool whose credentials cannot be opened. */
export const CREDENTIALS_UNREADABLE = 'The tool’s stored credentials cannot be opened any more; create a new run.';
