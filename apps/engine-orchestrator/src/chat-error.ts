import { ModelError } from './model-error.ts';

/** Why an upstream could not be asked, and how long that may take. */
interface Refusal {
  readonly reason: 'open' | 'limited';
  readonly waitMs: number;
}

/** The error of a call that no upstream has answered: the shortest wait of all, and the reason of the first that may do better later. */
export function whyNobody(failures: readonly ModelError[], refusals: readonly Refusal[]): ModelError {
  const [first] = failures;
  const retryable = failures.find(({ isRetryable }) => isRetryable);
  if (first && !retryable && !(first.mayFallBack && refusals.length > 0)) return first;
  const waits = [...refusals.map(({ waitMs }) => waitMs), ...failures.flatMap(({ retryAfterMs }) => retryAfterMs ?? [])].filter((ms) => ms > 0);
  const retryAfterMs = waits.length > 0 ? Math.min(...waits) : null;
  if (retryable) return new ModelError(retryable.kind, { ...retryable, message: retryable.message, retryAfterMs });
  if (first) return new ModelError('rate_limited', { code: 'upstream_rate_limited', message: first.message, status: first.status, retryAfterMs });
  if (refusals.every(({ reason }) => reason === 'open')) {
    return new ModelError('unavailable', { code: 'upstream_unavailable', message: 'The model server has failed too often and is left alone for now.', retryAfterMs });
  }
  return new ModelError('rate_limited', { code: 'upstream_rate_limited', message: 'The model server takes no more requests right now; try again in a moment.', retryAfterMs: retryAfterMs ?? BUSY_MS });
}

/** An answer that is an error, whole. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An error as it stands in a reply, and in a stream. */
export interface ChatErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly type: string; readonly param: string | null };
}

interface Facts {
  readonly status: number;
  readonly body: ChatErrorBody;
  /** Whether the same request may do better later. */
  readonly isRetryable: boolean;
}

/** Statuses of an upstream that are about the caller's own request; the others are about its operator's settings. */
const OF_THE_REQUEST = new Set([400, 413, 415, 422]);
/** How soon to come back when nobody knows better. */
const BUSY_MS = 1000;
const JSON_TYPE = 'application/json; charset=utf-8';

/** What the client of a plain call gets when no upstream answered. */
export function errorAnswer(err: ModelError): ErrorAnswer {
  const { status, body, isRetryable } = factsOf(err);
  const wait = err.retryAfterMs;
  const headers: Record<string, string> = { 'content-type': JSON_TYPE };
  if (isRetryable && wait !== null) Object.assign(headers, { 'retry-after': String(Math.ceil(wait / 1000)), 'retry-after-ms': String(wait) });
  if (!isRetryable && status >= 500) headers['x-should-retry'] = 'false';
  return { status, headers, body: JSON.stringify(body) };
}

/** The same where the answer has begun: the data of its last event but one. */
export function errorChunk(err: ModelError): ChatErrorBody {
  return factsOf(err).body;
}

function factsOf(err: ModelError): Facts {
  const { message, status, said } = err;
  const facts = (code: string, is: number, isRetryable: boolean): Facts => ({ status: is, isRetryable, body: { error: { code, message, type: code, param: null } } });
  if (status === 429) return facts('rate_limited', 429, err.kind === 'rate_limited');
  if (err.code === 'upstream_timeout') return facts('timeout', 504, true);
  if (err.kind === 'rate_limited') return facts('rate_limited', 429, true);
  if (err.kind === 'unavailable') return facts('service_unavailable', 503, true);
  if (err.kind !== 'rejected' || (status !== null && !OF_THE_REQUEST.has(status))) return facts(err.code, 502, false);
  const { code = 'invalid_request', type = 'invalid_request_error', param = null } = said ?? {};
  return { status: status ?? 400, isRetryable: false, body: { error: { code, message: said?.message || message, type, param } } };
}
