/** Why an outbound request failed. Stable: recorded in attempts and shown to users and models. */
export type EgressErrorCode =
  | 'dns_error'
  | 'connection_refused'
  | 'connection_reset'
  | 'tls_error'
  | 'timeout'
  | 'address_blocked'
  | 'aborted'
  | 'invalid_url'
  | 'too_many_redirects'
  | 'redirect_refused';

/** A failed outbound request. `message` names at most the host or origin, so it may be shown to users; `cause` may not. */
export class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly code: EgressErrorCode;
  /** True if there was no connection to the request's own host, so that nothing was sent. */
  readonly isUnsent: boolean;

  constructor(code: EgressErrorCode, message: string, options?: { cause?: unknown; isUnsent?: boolean }) {
    super(message, options);
    this.code = code;
    this.isUnsent = options?.isUnsent ?? false;
  }

  asUnsent(): EgressError {
    return new EgressError(this.code, this.message, { cause: this.cause, isUnsent: true });
  }
}

const unreachable = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'EADDRNOTAVAIL', 'EACCES']);
const timeouts = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
const tlsCode = /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERROR_IN_CERT|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH|EPROTO)/;

/** True for the codes of a failure to connect; some of them can also end an established connection. */
export function isConnectFailure(cause: unknown): boolean {
  const code = codeOf(cause);
  return unreachable.has(code) || code === 'ETIMEDOUT' || code === 'UND_ERR_CONNECT_TIMEOUT';
}

/** Maps what the HTTP client reports for `host` to a failure with a text that is safe to show. */
export function toEgressError(cause: unknown, host: string): EgressError {
  if (cause instanceof EgressError) return cause;
  const code = codeOf(cause);
  if (unreachable.has(code)) return new EgressError('connection_refused', `${host} could not be connected to`, { cause });
  if (timeouts.has(code)) return new EgressError('timeout', `${host} did not answer in time`, { cause });
  if (tlsCode.test(code)) return new EgressError('tls_error', `no secure connection to ${host} could be made`, { cause });
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return new EgressError('aborted', `the request to ${host} was canceled`, { cause });
  if (code === 'UND_ERR_INVALID_ARG') return new EgressError('invalid_url', `the request to ${host} is not valid HTTP`, { cause });
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new EgressError('connection_reset', `${host} did not answer with valid HTTP`, { cause });
  }
  return new EgressError('connection_reset', `${host} closed the connection before its answer was complete`, { cause });
}

function codeOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
