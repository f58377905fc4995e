/** What was kept of a user's headers, with lower-case names, and the names that may not be set or are not valid HTTP. */
export interface SanitizedHeaders {
  readonly headers: Record<string, string>;
  readonly refused: string[];
}

/** Set by this server for every request, or owned by one connection (RFC 9110, section 7.6.1). */
const reserved = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'http2-settings',
  'accept-encoding',
  'idempotency-key',
  'traceparent',
  'tracestate',
]);

/** All that follows a redirect to another origin: any other header may be a credential. */
const portable = new Set(['accept', 'accept-language', 'content-type', 'user-agent', 'idempotency-key', 'x-attempt', 'traceparent']);

const token = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// Field values of RFC 9110, section 5.5: no control character but the tab, nothing beyond Latin-1.
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Keeps of a user's headers what may be sent; every other name is in `refused`. A value never shows up there. */
export function sanitizeHeaders(userHeaders: Readonly<Record<string, string>>): SanitizedHeaders {
  const kept: [string, string][] = [];
  const refused: string[] = [];
  for (const [name, value] of Object.entries(userHeaders)) {
    const lower = name.trim().toLowerCase();
    if (token.test(lower) && !reserved.has(lower) && typeof value === 'string' && fieldValue.test(value)) kept.push([lower, value.trim()]);
    else refused.push(name);
  }
  return { headers: Object.fromEntries(kept), refused };
}

/** The headers of the next hop: without a body its description goes; on another origin all but the harmless ones go. */
export function redirectHeaders(headers: Readonly<Record<string, string>>, hop: { sameOrigin: boolean; keepsBody: boolean }): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => {
      const lower = name.toLowerCase();
      if (!hop.keepsBody && lower.startsWith('content-')) return false;
      return hop.sameOrigin || portable.has(lower);
    }),
  );
}
