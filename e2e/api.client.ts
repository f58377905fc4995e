import type { RunObject } from './history.ts';

export type Reply<T = Record<string, unknown>> = { status: number; headers: Headers; text: string; body: T };
export type CallOptions = { body?: unknown; raw?: string; headers?: Record<string, string> };
export type Task = { title?: string; thought?: string; conclusion?: string; tooluse?: Record<string, unknown>; subtasks?: Task[] };
export type Run = RunObject & {
  result?: { answer: unknown; reasoning?: Task[] };
  usage?: { inputTokens: number; outputTokens: number; durationMs: number; toolCalls?: Record<string, number> };
  error?: { code: string; message: string };
  traceId?: string;
};
export type RunPage = { runs: { runId: string; status: string; engine: string; createdAt: string; updatedAt: string }[]; nextCursor: string | null };
export type ApiError = { error: { code: string; message: string; details?: unknown }; requestId?: string };

/** One request as it goes over the wire: `body` is sent as JSON, `raw` as it is. A reply that is no JSON has the body `{}`. */
export async function call<T = Record<string, unknown>>(
  base: string, token: string, method: string, path: string, { body, raw, headers }: CallOptions = {},
): Promise<Reply<T>> {
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(`${base}${path}`, {
    method,
    ...(payload !== undefined && { body: payload }),
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...headers },
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as T };
}

export type Api = ReturnType<typeof apiOver>;

/** The public API of one gateway as one key sees it. */
export function apiOf(port: number, key: string): Api {
  const base = `http://127.0.0.1:${port}`;
  return apiOver({ base, key, call: (method, path, options) => call(base, key, method, path, options) });
}

/** How requests of one key reach the public API. */
export type Sender = { base: string; key: string; call: <T = Record<string, unknown>>(method: string, path: string, options?: CallOptions) => Promise<Reply<T>> };

/** The public API over any way to send requests to it. */
export function apiOver(sender: Sender) {
  const { call: at } = sender;
  return {
    ...sender,
    post: (body: unknown, headers?: Record<string, string>) =>
      at<{ runId: string; status: string } & ApiError>('POST', '/v1/runs', { body, ...(headers && { headers }) }),
    get: (runId: string) => at<Run & ApiError>('GET', `/v1/runs/${runId}`),
    cancel: (runId: string) => at<Run & ApiError>('POST', `/v1/runs/${runId}/cancel`),
    list: (query = '') => at<RunPage & ApiError>('GET', `/v1/runs${query}`),
    usage: () => at<{ total: { inputTokens: number; outputTokens: number; toolCalls: number; runs: number } }>('GET', '/v1/usage'),
  };
}

export type Admin = ReturnType<typeof adminOf>;

/** The operator's API. */
export function adminOf(adminPort: number, token: string) {
  const base = `http://127.0.0.1:${adminPort}`;
  return {
    base,
    call: <T = Record<string, unknown>>(method: string, path: string, options?: CallOptions) =>
      call<T>(base, token, method, `/admin/v1${path}`, options),
  };
}
