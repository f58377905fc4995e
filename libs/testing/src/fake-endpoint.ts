import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { wallMs } from './wall-ms.ts';

/** One request as it arrived; `atMs` in milliseconds since the epoch, with fractions. */
export type EndpointRequest = {
  readonly seq: number;
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Of a tool call. */
  readonly idempotencyKey: string | null;
  /** Of a webhook. */
  readonly deliveryId: string | null;
  /** What it was answered with; 0 when it was left without an answer. */
  readonly status: number;
};

export type FakeEndpoint = {
  readonly url: string;
  /** Every request from `since` (the `seq` of the first that is wanted) on, of paths that begin with `prefix`. */
  requests(filter?: { since?: number; prefix?: string }): EndpointRequest[];
  /** The requests that reached a tool, by their `Idempotency-Key`: more than one of a key is a repeated effect. */
  effects(): Map<string, EndpointRequest[]>;
  reset(): void;
  close(): Promise<void>;
};

type Answer = { readonly status: number; readonly body: string; readonly headers?: Record<string, string> };


/**
 * A receiver for function tools and webhooks that records every request; over HTTP too: `GET /record?since=&prefix=`,
 * `DELETE /record`. What it does stands in the URL:
 * `/tool/echo`, `/tool/status/500`, `/tool/big?bytes=`, `/tool/nul`, `/tool/text`, `/tool/error`, `/tool/redirect?to=`;
 * on every path `ms` delays, `fail=n` and `status` fail the first n requests of a key or delivery with `retryAfter`,
 * `hang=n` and `cut=n` leave the first n without an answer.
 */
export async function startFakeEndpoint({ port = 0, brief = false } = {}): Promise<FakeEndpoint> {
  let requests: EndpointRequest[] = [];
  let seq = 0;
  const seen = new Map<string, number>();

  const select = ({ since = 0, prefix = '/' } = {}) => requests.filter((request) => request.seq >= since && request.path.startsWith(prefix));
  const reset = (): void => {
    requests = [];
    seen.clear();
  };

  const handle = (req: IncomingMessage, body: string, atMs: number, res: ServerResponse): void => {
    const url = new URL(req.url ?? '/', 'http://endpoint');
    const query = Object.fromEntries(url.searchParams);
    if (url.pathname === '/record') {
      if (req.method === 'DELETE') reset();
      const list = select({ since: Number(query['since'] ?? 0), prefix: query['prefix'] ?? '/' });
      res.setHeader('content-type', 'application/json').end(JSON.stringify({ requests: list, next: seq + 1 }));
      return;
    }
    const headers = req.headers as Record<string, string>;
    const idempotencyKey = headers['idempotency-key'] ?? null;
    const deliveryId = headers['x-webhook-delivery-id'] ?? null;
    const tries = (seen.get(`${url.pathname} ${idempotencyKey ?? deliveryId}`) ?? 0) + 1;
    seen.set(`${url.pathname} ${idempotencyKey ?? deliveryId}`, tries);
    const isFailing = tries <= Number(query['fail'] ?? 0);
    const isSilent = tries <= Number(query['hang'] ?? 0);
    const isCut = tries <= Number(query['cut'] ?? 0);
    const failure: Answer = { status: Number(query['status'] ?? 500), body: '{"error":"as the path says"}' };
    const answer = isFailing ? failure : answerOf(url.pathname, query, body, tries);
    seq += 1;
    requests.push({
      seq, atMs, method: req.method ?? '', path: url.pathname, query,
      headers: brief ? {} : headers,
      body: brief ? (/"runId":"[^"]*"/.exec(body)?.[0] ?? '') : body,
      idempotencyKey, deliveryId,
      status: isSilent || isCut ? 0 : answer.status,
    });
    if (isSilent) return;
    if (isCut) return void req.socket.destroy();
    const extra = isFailing && query['retryAfter'] ? { 'retry-after': query['retryAfter'] } : {};
    const send = (): void => void res.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers, ...extra }).end(answer.body);
    if (query['ms']) setTimeout(send, Number(query['ms']));
    else send();
  };

  const server = createServer((req, res) => {
    const atMs = wallMs();
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => handle(req, Buffer.concat(chunks).toString('utf8'), atMs, res));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: select,
    effects: () => Map.groupBy(select({ prefix: '/tool/' }), (request) => request.idempotencyKey ?? ''),
    reset,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answerOf(path: string, query: Record<string, string>, body: string, tries: number): Answer {
  const [, kind, name, value] = path.split('/');
  if (kind !== 'tool') return { status: 'fail' in query ? 200 : Number(query['status'] ?? 200), body: '{}' };
  switch (name) {
    case 'status':
      return { status: Number(value), body: JSON.stringify({ message: `status ${value}` }) };
    case 'big':
      return { status: 200, body: JSON.stringify({ page: 'x'.repeat(Number(query['bytes'] ?? 0)) }) };
    case 'nul':
      return { status: 200, body: '{"page":"nul:\\u0000 surrogate:\\ud800 end"}' };
    case 'text':
      return { status: 200, body: 'plain words', headers: { 'content-type': 'text/plain' } };
    case 'error':
      return { status: 200, body: '{"error":"the tool says no"}' };
    case 'redirect':
      return { status: 307, body: '', headers: { location: query['to'] ?? '/tool/echo' } };
    default:
      return { status: 200, body: `{"tries":${tries},"received":${body === '' ? JSON.stringify(query) : body}}` };
  }
}
