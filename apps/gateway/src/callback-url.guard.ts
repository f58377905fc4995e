import { AppError } from '@nightshift/contracts';
import { assertPublicUrl, EgressError } from '@nightshift/http';

/** Refuses an address that webhooks may never reach; `invalid_request` that names `field`. A name is looked up only at each attempt. */
export function assertCallbackUrl(field: string, url: string, egressAllow: readonly string[]): void {
  try {
    assertPublicUrl(url, egressAllow);
  } catch (err) {
    if (!(err instanceof EgressError)) throw err;
    throw invalid(field, `${err.message}; the operator may allow addresses with EGRESS_ALLOW`);
  }
}

/** The same for an address that everybody may see who may see the subscription. */
export function assertShownUrl(field: string, url: string, egressAllow: readonly string[]): void {
  const { username, password } = new URL(url);
  if (username !== '' || password !== '') throw invalid(field, 'must not hold a user or password; put credentials into headers');
  assertCallbackUrl(field, url, egressAllow);
}

function invalid(field: string, problem: string): AppError {
  return new AppError('invalid_request', { message: `${field}: ${problem}`, details: { fields: { [field]: problem } } });
}
