/** Every stable error code of the API: its HTTP status and the text people see when nothing more precise is known. */
export const ERRORS = {
  invalid_request: { status: 400, message: 'The request is not valid.' },
  authentication_failed: { status: 401, message: 'Missing or invalid API key.' },
  permission_denied: { status: 403, message: 'This API key may not do that.' },
  model_not_found: { status: 404, message: 'There is no such model.' },
  not_found: { status: 404, message: 'There is no such object.' },
  conflict: { status: 409, message: 'This idempotency key was used with another request body.' },
  canceled: { status: 409, message: 'The run was canceled.' },
  request_too_large: { status: 413, message: 'The request body is larger than 5 MiB.' },
  rate_limited: { status: 429, message: 'Too many requests.' },
  internal_error: { status: 500, message: 'Something went wrong on our side.' },
  run_failed: { status: 500, message: 'The run failed.' },
  service_unavailable: { status: 503, message: 'The service is not ready; try again in a moment.' },
  timeout: { status: 504, message: 'The run did not end in time.' },
} as const;

/** A key of the catalogue above. */
export type ErrorCode = keyof typeof ERRORS;

/** The code as it stands on the wire: a body over the limit is `invalid_request` there. */
export function wireCode(code: ErrorCode): string {
  return code === 'request_too_large' ? 'invalid_request' : code;
}

/** An error with a stable code. `message` is for people outside; `cause` only goes to the log; `details` to both. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** The code on the wire: that of the catalogue, unless a run has brought its own. */
  readonly wireCode: string;
  readonly details: Record<string, unknown> | undefined;
  /** Extra response headers, such as `retry-after`. */
  readonly headers: Record<string, string>;

  constructor(
    code: ErrorCode,
    options: { message?: string; cause?: unknown; details?: Record<string, unknown>; headers?: Record<string, string>; wireCode?: string } = {},
  ) {
    super(options.message ?? ERRORS[code].message, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.wireCode = options.wireCode ?? wireCode(code);
    this.details = options.details;
    // Without it the OpenAI client would send a conflicting request again.
    this.headers = options.headers ?? (code === 'conflict' ? { 'x-should-retry': 'false' } : {});
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}
