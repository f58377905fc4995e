import { Pool } from 'undici';
import type { Target } from './load-job.ts';

export type Reply = { readonly status: number; readonly text: string };

export type Api = {
  /** A request whose reply is read whole; status 0 when there was none. */
  send(method: 'GET' | 'POST', path: string, body?: string): Promise<Reply>;
  close(): Promise<void>;
};

/** A client that costs as little as possible, since it shares the machine with what it measures. */
export function api(target: Target, connections: number): Api {
  const pool = new Pool(target.url, { connections });
  const headers = { authorization: `Bearer ${target.apiKey}`, 'content-type': 'application/json' };
  return {
    send: (method, path, body) =>
      new Promise((resolve) => {
        let status = 0;
        const chunks: Buffer[] = [];
        pool.dispatch({ method, path, headers, body: body ?? null }, {
          onRequestStart: () => undefined,
          onResponseStart: (_controller, code) => void (status = code),
          onResponseData: (_controller, chunk) => void chunks.push(chunk),
          onResponseEnd: () => resolve({ status, text: Buffer.concat(chunks).toString('utf8') }),
          onResponseError: (_controller, error) => resolve({ status: 0, text: error.message }),
        });
      }),
    close: () => pool.destroy(),
  };
}
