import { parseHttpUrl } from './egress-address.ts';
import { redirectHeaders } from './egress-headers.ts';

/** One request of a chain of redirects. */
export interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | string | null;
}

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** The request a redirect asks for; null if the answer is none. Throws EgressError `invalid_url` for a target that is no http URL. */
export function nextHop(hop: Hop, answer: { status: number; headers: Readonly<Record<string, string | string[]>> }): Hop | null {
  const location = [answer.headers['location'] ?? []].flat()[0];
  if (!redirectStatuses.has(answer.status) || location === undefined) return null;
  const url = parseHttpUrl(location, hop.url);
  const sameOrigin = url.origin === hop.url.origin;
  if (sameOrigin && url.username === '' && url.password === '') {
    url.username = hop.url.username;
    url.password = hop.url.password;
  }
  const becomesGet = answer.status === 303 ? hop.method !== 'HEAD' : answer.status < 303 && hop.method === 'POST';
  return {
    url,
    method: becomesGet ? 'GET' : hop.method,
    headers: redirectHeaders(hop.headers, { sameOrigin, keepsBody: !becomesGet }),
    body: becomesGet ? null : hop.body,
  };
}

/** True if the redirect takes the body to another origin than the one it was meant for. */
export function handsBodyOver(hop: Hop, next: Hop): boolean {
  return next.body !== null && next.url.origin !== hop.url.origin;
}

/** Names and values in turn, as they are sent. */
export function wireHeaders(hop: Hop): string[] {
  const flat = ['accept-encoding', 'identity'];
  let authorized = false;
  for (const [name, value] of Object.entries(hop.headers)) {
    const lower = name.toLowerCase();
    if (lower === 'accept-encoding') continue;
    if (lower === 'authorization') authorized = true;
    flat.push(name, value);
  }
  if (!authorized && (hop.url.username !== '' || hop.url.password !== '')) {
    const pair = `${percentDecoded(hop.url.username)}:${percentDecoded(hop.url.password)}`;
    flat.push('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
  }
  return flat;
}

function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
}
