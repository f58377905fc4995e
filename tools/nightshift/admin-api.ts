import { ErrorBody } from '@nightshift/contracts';
import type { z } from 'zod';
import { EXIT, Failure, reasonOf } from './failure.ts';
import type { Installation } from './installation.ts';

const TIMEOUT_MS = 30_000;

/** The operator's API of an installation. Whatever goes wrong is a `Failure` that says what to do. */
export class AdminApi {
  readonly #base: string;
  readonly #token: string;

  constructor(installation: Pick<Installation, 'adminUrl' | 'adminToken'>) {
    this.#base = installation.adminUrl;
    this.#token = installation.adminToken();
  }

  /** Sends one request and parses what is answered; without a schema the answer has no body. */
  async call<S extends z.ZodType>(method: 'GET' | 'POST' | 'PATCH', path: string, schema: S, body?: object): Promise<z.infer<S>> {
    const text = await this.#send(method, path, body);
    const parsed = schema.safeParse(JSON.parse(text));
    if (!parsed.success) throw new Failure(EXIT.trouble, `${this.#base} answered ${method} ${path} with something else than this release knows`);
    return parsed.data;
  }

  async delete(path: string): Promise<void> {
    await this.#send('DELETE', path);
  }

  async #send(method: string, path: string, body?: object): Promise<string> {
    const response = await this.#fetch(method, path, body);
    const text = await response.text();
    if (response.ok) return text;
    if (response.status === 401) throw new Failure(EXIT.away, `${this.#base} refused the token: ADMIN_TOKEN (or ADMIN_TOKEN_FILE, --token-file) is not that of this installation`);
    const error = ErrorBody.safeParse(jsonOf(text)).data?.error;
    if (error === undefined) throw new Failure(EXIT.away, `${this.#base} answered ${response.status} and no error of ours: is this the address of the admin API?`);
    throw new Failure(response.status >= 500 ? EXIT.away : EXIT.trouble, `${error.message} (${response.status} ${error.code})`);
  }

  async #fetch(method: string, path: string, body: object | undefined): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}`, ...(body && { 'content-type': 'application/json' }) };
    try {
      return await fetch(`${this.#base}/admin/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }), signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (err) {
      throw new Failure(EXIT.away, `the admin API does not answer at ${this.#base}: ${reasonOf(err)}; name it with --admin-url or ADMIN_URL`, { cause: err });
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}
