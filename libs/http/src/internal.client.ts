import { AppError, type ErrorCode, ERRORS } from '@nightshift/contracts';
import { withSpan } from '@nightshift/runtime';
import type { z } from 'zod';
import { DRAINING, type StreamTransport } from './stream-transport.ts';
import type { StreamedAnswer } from './streamed-answer.ts';

/** One request between services. */
export interface InternalRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly traceparent?: string;
  /** Asks each address once, and takes a 503 for the answer that it is. */
  readonly once?: boolean;
  /** How long each address may be silent before the next is asked; 15 s without it. */
  readonly silenceMs?: number;
  /** Its effect may happen once only: it is sent again only where no connection was made, and is `service_unavailable` otherwise. */
  readonly unrepeatable?: boolean;
}

/** A request as it is sent. */
export interface TransportRequest extends Pick<InternalRequest, 'method' | 'path' | 'once' | 'silenceMs' | 'unrepeatable'> {
  readonly headers: Record<string, string>;
  readonly body?: string;
}

/** How a request reaches another service: over HTTP, or by a call into the same process. */
export type InternalTransport = (request: TransportRequest) => Promise<{ status: number; body: string }>;

/** Routes that callers in the same process may take without HTTP, by method and path; each checks its body as over HTTP. */
export type LocalRoutes = ReadonlyMap<string, (body: unknown) => Promise<unknown>>;

/** Calls another service. Its errors arrive as the same `AppError`; one that cannot be reached is `service_unavailable`. */
export class InternalClient {
  readonly #transport: InternalTransport;
  readonly #token: string;
  readonly #local: () => LocalRoutes | undefined;
  readonly #streams: StreamTransport;

  constructor(transport: InternalTransport, token: string, local: () => LocalRoutes | undefined = () => undefined, streams: StreamTransport = nowhere) {
    this.#transport = transport;
    this.#token = token;
    this.#local = local;
    this.#streams = streams;
  }

  /** Sends one request and parses the answer with `schema`. It may be sent more than once, which every internal route bears but those whose requests are `unrepeatable`. */
  call<S extends z.ZodType>(request: InternalRequest, schema: S): Promise<z.infer<S>> {
    if (request.traceparent === undefined) return this.#call(request, schema);
    const { method, traceparent: parent } = request;
    const attributes = { 'http.request.method': method, 'url.path': pathOf(request) };
    return withSpan(method, { parent, kind: 'client', attributes }, (traceparent) => this.#call({ ...request, traceparent }, schema));
  }

  async #call<S extends z.ZodType>(request: InternalRequest, schema: S): Promise<z.infer<S>> {
    const route = this.#local()?.get(`${request.method} ${request.path}`);
    if (route) return schema.parse(await route(request.body));
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (request.traceparent !== undefined) headers['traceparent'] = request.traceparent;
    if (request.body !== undefined) headers['content-type'] = 'application/json';
    const { method, path, once, silenceMs, unrepeatable } = request;
    const answer = await this.#transport({ method, path, headers, ...(request.body !== undefined && { body: JSON.stringify(request.body) }), ...(once && { once }), ...(silenceMs !== undefined && { silenceMs }), ...(unrepeatable && { unrepeatable }) });
    const body = parsed(answer.body);
    if (answer.status >= 400 && !(request.once && answer.status === 503)) throw errorOf(answer.status, body);
    return schema.parse(body);
  }

  /** Posts a body, and gives the answer as it comes, whatever its status. An abort gives the request up. */
  async stream({ path, body, traceparent }: { path: string; body: unknown; traceparent: string }, signal: AbortSignal): Promise<StreamedAnswer> {
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json', traceparent };
    const answer = await this.#streams({ path, headers, body: JSON.stringify(body) }, signal);
    if (answer.status === 401) throw errorOf(401, undefined);
    // Between the services alone.
    const { [DRAINING]: _, ...told } = answer.headers;
    return { ...answer, headers: told };
  }
}

/** Without its query, which may hold more than ids. */
function pathOf({ path }: InternalRequest): string {
  return path.split('?', 1)[0] as string;
}

const nowhere: StreamTransport = () => Promise.reject(new AppError('service_unavailable'));

/** The JSON of an answer; undefined for an empty body and for what is not JSON. */
function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

function errorOf(status: number, body: unknown): AppError {
  const { error } = (body ?? {}) as { error?: { code?: string; message?: string; details?: Record<string, unknown> } };
  // What stands between (a proxy), a service that is closing or one whose tokens are being changed is away, not wrong.
  const isAway = status === 401 || status === 502 || status === 503 || status === 504;
  const code = isAway ? 'service_unavailable' : ((error?.code !== undefined && Object.hasOwn(ERRORS, error.code) ? error.code : 'internal_error') as ErrorCode);
  return new AppError(code, { message: error?.message, details: error?.details, cause: new Error(`internal call answered ${status}`), ...(code === 'service_unavailable' && { headers: { 'retry-after': '1' } }) });
}

/** Calls into an application of the same process, through all its hooks and checks but without a socket. */
export function injectTransport(inject: (request: { method: InternalRequest['method']; url: string; headers: Record<string, string>; payload?: string }) => Promise<{ statusCode: number; payload: string }>): InternalTransport {
  return async ({ method, path, headers, body }) => {
    const response = await inject({ method, url: path, headers, ...(body !== undefined && { payload: body }) });
    return { status: response.statusCode, body: response.payload };
  };
}
