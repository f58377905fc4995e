import { type Egress, EgressError, type EgressResponse } from '@nightshift/http';
import { cleanText, retryAfterMs } from '@nightshift/std';
import { type Secrets, signatureHeaders } from './signature.ts';

/** One attempt to deliver a webhook. */
export interface Attempt {
  readonly url: string;
  /** The bytes that are stored, sent as they are. */
  readonly body: Buffer;
  /** The same for every attempt of a delivery. */
  readonly deliveryId: string;
  readonly event: string;
  /** What signs it. */
  readonly secrets: Secrets;
  /** The subscription's own; they override none of ours. */
  readonly headers: Readonly<Record<string, string>>;
  readonly traceparent?: string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** CIDRs the organisation may reach besides the operator's own. */
  readonly allow?: readonly string[] | undefined;
  /** The organisation. */
  readonly owner?: string | undefined;
}

export type AttemptErrorCode = 'http_status' | 'redirect' | 'timeout' | 'dns_error' | 'connection_refused' | 'connection_reset' | 'tls_error' | 'address_blocked';

/** What came of an attempt; it is delivered if `errorCode` is null. */
export interface AttemptOutcome {
  /** Null if there was no answer. */
  readonly status: number | null;
  readonly errorCode: AttemptErrorCode | null;
  /** A text for people; null if delivered. */
  readonly errorMessage: string | null;
  readonly durationMs: number;
  /** What was sent, without the values of the subscription's own headers. */
  readonly requestHeaders: Record<string, string>;
  readonly responseHeaders: Record<string, string>;
  /** The first 4 KB as text. */
  readonly responseBody: string;
  /** What a `Retry-After` of a failed attempt asks for, at most a day. */
  readonly retryAfterMs: number | null;
}

const HIDDEN = '[hidden]';
const BODY_KEPT_BYTES = 4096;
// Read further than kept, so that the connection can serve the next delivery instead of being broken off.
const BODY_READ_BYTES_MAX = 64 * 1024;

/** Makes one attempt. Only a 2xx delivers; redirects are not followed. Rejects with EgressError `aborted` if `signal` fires, with nothing else. */
export async function postDelivery(egress: Egress, attempt: Attempt): Promise<AttemptOutcome> {
  const startedAt = performance.now();
  const headers = headersOf(attempt);
  const requestHeaders = { ...Object.fromEntries(Object.keys(attempt.headers).map((name) => [name, HIDDEN])), ...headers };
  try {
    const response = await egress.request({
      method: 'POST',
      url: attempt.url,
      headers: { ...attempt.headers, ...headers },
      body: attempt.body,
      timeoutMs: attempt.timeoutMs,
      responseBytesMax: BODY_READ_BYTES_MAX,
      redirects: 0,
      ...(attempt.signal && { signal: attempt.signal }),
      ...(attempt.allow && { allow: attempt.allow }),
      ...(attempt.owner !== undefined && { owner: attempt.owner }),
    });
    return { ...answered(response), requestHeaders };
  } catch (err) {
    if (!(err instanceof EgressError) || err.code === 'aborted') throw err;
    return {
      status: null,
      errorCode: err.code === 'invalid_url' || err.code === 'too_many_redirects' || err.code === 'redirect_refused' ? 'address_blocked' : err.code,
      errorMessage: err.message,
      durationMs: Math.round(performance.now() - startedAt),
      requestHeaders,
      responseHeaders: {},
      responseBody: '',
      retryAfterMs: null,
    };
  }
}

function headersOf({ deliveryId, event, body, secrets, traceparent }: Attempt): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000);
  return {
    'content-type': 'application/json',
    'user-agent': 'Nightshift-Webhooks/1',
    'x-webhook-timestamp': String(timestamp),
    'x-webhook-delivery-id': deliveryId,
    'x-webhook-event': event,
    'webhook-id': deliveryId,
    'webhook-timestamp': String(timestamp),
    ...signatureHeaders(secrets, { deliveryId, timestamp, body }),
    ...(traceparent !== undefined && { traceparent }),
  };
}

function answered({ status, headers, body, durationMs }: EgressResponse): Omit<AttemptOutcome, 'requestHeaders'> {
  const delivered = status >= 200 && status < 300;
  const redirected = status >= 300 && status < 400;
  return {
    status,
    errorCode: delivered ? null : redirected ? 'redirect' : 'http_status',
    errorMessage: delivered ? null : redirected ? `the endpoint redirects (status ${status}), which is not followed` : `the endpoint answered with status ${status}`,
    durationMs,
    responseHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')])),
    // A streaming decoder leaves out the character that the cut may have split.
    responseBody: cleanText(new TextDecoder().decode(body.subarray(0, BODY_KEPT_BYTES), { stream: body.length > BODY_KEPT_BYTES })),
    retryAfterMs: delivered ? null : retryAfterMs([headers['retry-after'] ?? []].flat()[0], Date.now()),
  };
}
