export type ModelErrorKind = 'rate_limited' | 'unavailable' | 'rejected' | 'aborted' | 'invalid';

export type ModelErrorCode =
  | 'upstream_rate_limited'
  | 'upstream_unavailable'
  | 'upstream_rejected'
  | 'upstream_auth'
  | 'upstream_invalid_response'
  | 'upstream_timeout'
  | 'canceled';

interface ModelErrorFacts {
  readonly code: ModelErrorCode;
  /** For people, free of secrets; becomes the run's error text. */
  readonly message: string;
  readonly status?: number | null;
  readonly retryAfterMs?: number | null;
  readonly said?: UpstreamSaid;
  readonly cause?: unknown;
}

/** An upstream's own words about a request that it refused, free of secrets. */
export interface UpstreamSaid {
  readonly message: string;
  readonly code?: string;
  readonly type?: string;
  readonly param?: string;
}

/** Why a model request has no reply. `rate_limited` and `unavailable` are worth another try; the other kinds are final. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly kind: ModelErrorKind;
  readonly code: ModelErrorCode;
  /** The upstream's HTTP status, or null when it gave none. */
  readonly status: number | null;
  /** How long the upstream asked to wait, in milliseconds, or null when it did not say. */
  readonly retryAfterMs: number | null;
  /** What it said, where it refused the request. */
  readonly said: UpstreamSaid | undefined;

  constructor(kind: ModelErrorKind, facts: ModelErrorFacts) {
    super(facts.message, { cause: facts.cause });
    this.kind = kind;
    this.code = facts.code;
    this.status = facts.status ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.said = facts.said;
  }

  get isRetryable(): boolean {
    return this.kind === 'rate_limited' || this.kind === 'unavailable';
  }

  /** Whether another upstream may do better: this one is limited, overloaded or away, or its quota is used up. */
  get mayFallBack(): boolean {
    return this.isRetryable || this.status === 429;
  }

  /** Whether it speaks against the upstream itself. One that says when to come back is only busy. */
  get isFault(): boolean {
    return this.kind === 'unavailable' && this.retryAfterMs === null;
  }

  /** The same error with another wait. */
  after(retryAfterMs: number): ModelError {
    return new ModelError(this.kind, { code: this.code, message: this.message, status: this.status, retryAfterMs, cause: this.cause });
  }
}

const UPSTREAM_TEXT_MAX = 300;
const RETRY_AFTER_MAX_MS = 24 * 60 * 60 * 1000;

/** How long a reply's headers ask to wait, in milliseconds from `nowMs` (0 to a day), or null: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date. */
export function retryAfterMs(headers: Readonly<Record<string, string | string[] | undefined>>, nowMs: number): number | null {
  const bounded = (ms: number): number => Math.min(RETRY_AFTER_MAX_MS, Math.max(0, Math.round(ms)));
  const first = (value: string | string[] | undefined): string => (Array.isArray(value) ? value[0] : value)?.trim() ?? '';
  const ms = first(headers['retry-after-ms']);
  if (/^\d+(\.\d+)?$/.test(ms)) return bounded(Number(ms));
  const after = first(headers['retry-after']);
  if (/^\d+(\.\d+)?$/.test(after)) return bounded(Number(after) * 1000);
  const date = after === '' ? Number.NaN : Date.parse(after);
  return Number.isNaN(date) ? null : bounded(date - nowMs);
}

/** The upstream's own words out of an error body, on one line, at most 300 characters, without the key or anything that looks like one. */
export function upstreamText(body: string, apiKey?: string): string {
  let text = errorMessage(parseOr(body)) ?? body;
  if (apiKey) text = text.replaceAll(apiKey, '[key]');
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(/\bsk-[\w*.-]+|\S*\*{3,}\S*/g, '[key]')
    .trim()
    .slice(0, UPSTREAM_TEXT_MAX)
    .toWellFormed();
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number | null;
  /** The key that was sent, so that it can be kept out of the message. */
  readonly apiKey?: string;
  /** The variable an operator has to look at when the upstream refuses the key. */
  readonly apiKeyName: string;
}

/** The error for an HTTP status that is not a success. */
export function answeredWith(answer: UpstreamAnswer): ModelError {
  const { status } = answer;
  const text = upstreamText(answer.body, answer.apiKey);
  const said = text === '' ? '' : ` It said: ${text}`;
  const fact = (code: ModelErrorCode, hint: string) => ({
    code,
    status,
    retryAfterMs: answer.retryAfterMs,
    message: `The model server answered ${status}${hint}.${said}`,
  });
  if (status === 401 || status === 403) return new ModelError('rejected', fact('upstream_auth', `; check ${answer.apiKeyName}`));
  if (status === 429) {
    const isQuota = /insufficient_quota|billing_hard_limit/.test(answer.body);
    if (isQuota) return new ModelError('rejected', fact('upstream_rejected', ': its quota is used up; check the plan of its account'));
    return new ModelError('rate_limited', fact('upstream_rate_limited', ' (too many requests)'));
  }
  if (status === 408 || status === 409 || status === 425 || status >= 500) {
    return new ModelError('unavailable', fact('upstream_unavailable', ''));
  }
  if (status >= 300 && status < 400) {
    return new ModelError('rejected', fact('upstream_rejected', ', a redirect; set UPSTREAM_BASE_URL to the final address'));
  }
  const hint = status === 404 ? '; check UPSTREAM_BASE_URL and the name of the model' : '';
  return new ModelError('rejected', { ...fact('upstream_rejected', hint), said: { ...fieldsSaid(answer), message: text } });
}

/** The fields that tell programs what was wrong with a request. */
function fieldsSaid({ body, apiKey }: UpstreamAnswer): Omit<UpstreamSaid, 'message'> {
  const { error } = (parseOr(body) ?? {}) as { error?: unknown };
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const known = ['code', 'type', 'param'].flatMap((name) => (typeof fields[name] === 'string' ? [[name, upstreamText(JSON.stringify(fields[name]), apiKey)]] : []));
  return Object.fromEntries(known) as Omit<UpstreamSaid, 'message'>;
}

/** The error an upstream reports in the middle of a stream, or in the body of a 200. */
export function reportedError(error: unknown, apiKeyName: string): ModelError {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const status = [fields['status'], fields['code'], fields['status_code']].map(Number).find((value) => value >= 400 && value < 600);
  const body = JSON.stringify({ error });
  if (status !== undefined) return answeredWith({ status, body, retryAfterMs: null, apiKeyName });
  const label = `${String(fields['type'] ?? '')} ${String(fields['code'] ?? '')}`;
  const facts = { message: `The model server reported an error: ${upstreamText(body) || 'no reason given'}` };
  if (/rate_limit/.test(label)) return new ModelError('rate_limited', { ...facts, code: 'upstream_rate_limited' });
  if (/invalid_request|authentication|permission|not_found|insufficient_quota|context_length/.test(label)) {
    return new ModelError('rejected', { ...facts, code: 'upstream_rejected' });
  }
  return new ModelError('unavailable', { ...facts, code: 'upstream_unavailable' });
}

/** The request was given up by whoever made it. */
export function canceled(): ModelError {
  return new ModelError('aborted', { code: 'canceled', message: 'The model request was canceled.' });
}

/** What a failed connection means; the address stays out of the text, since whoever started the run reads it. */
export function transportError(error: unknown): ModelError {
  const { name, code = name } = error as { readonly name: string; readonly code?: string };
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    const what = code === 'UND_ERR_HEADERS_TIMEOUT' ? 'did not answer in time' : 'stopped in the middle of its reply';
    return new ModelError('unavailable', { code: 'upstream_timeout', message: `The model server ${what}.`, cause: error });
  }
  if (name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ModelError('invalid', { code: 'upstream_invalid_response', message: 'The model server does not speak HTTP as expected; check UPSTREAM_BASE_URL.', cause: error });
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    return new ModelError('rejected', { code: 'upstream_rejected', message: 'The model request could not be sent; check UPSTREAM_API_KEY for line breaks.', cause: error });
  }
  return new ModelError('unavailable', { code: 'upstream_unavailable', message: `The connection to the model server failed (${code}); check UPSTREAM_BASE_URL.`, cause: error });
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function errorMessage(body: unknown): string | null {
  if (typeof body === 'string') return body;
  if (typeof body !== 'object' || body === null) return null;
  const { error, message, detail } = body as Record<string, unknown>;
  return errorMessage(error) ?? (typeof message === 'string' ? message : null) ?? errorMessage(detail);
}
