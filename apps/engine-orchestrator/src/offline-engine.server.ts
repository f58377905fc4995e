import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { OfflineRequest } from './offline-engine.ts';
import { offlineCompletion, offlineEvents } from './offline-wire.ts';

export interface OfflineEngine {
  /** For a model client: ends in `/v1`. */
  readonly baseUrl: string;
  close(): Promise<void>;
}

/** Between two events: about as fast as a quick model speaks, so that there is something to watch. A long reply has no more events than others. */
const PACE_MS = 25;
const BODY_BYTES_MAX = 64 * 1024 * 1024;
const MODELS = JSON.stringify({ object: 'list', data: [{ id: 'offline', object: 'model', created: 0, owned_by: 'nightshift' }] });

/** Serves the offline engine on a free port of the loopback interface, in the protocol of any other upstream. */
export async function startOfflineEngine(): Promise<OfflineEngine> {
  const server = createServer((req, res) => {
    if (req.method === 'GET' && req.url === '/v1/models') return answer(res, 200, MODELS);
    if (req.method !== 'POST' || req.url !== '/v1/chat/completions') return refuse(res, 404, 'There is nothing at this address.');
    readBody(req, res, (body) => {
      try {
        complete(body, res);
      } catch (error) {
        refuse(res, 500, `The offline engine failed: ${(error as Error).message}`);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

function complete(body: string, res: ServerResponse): void {
  const request = parse(body);
  if (!request) return refuse(res, 400, 'The body has to be a JSON object with a list of messages.');
  if (request.stream !== true) return answer(res, 200, offlineCompletion(request));
  const events = offlineEvents(request);
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  // Who leaves hears no more.
  pipeline(Readable.from(paced(events)), res).catch(() => undefined);
}

async function* paced(events: readonly string[]): AsyncGenerator<string> {
  for (const [index, event] of events.entries()) {
    if (index > 0) await pause(PACE_MS);
    yield event;
  }
}

function parse(body: string): (OfflineRequest & { stream?: boolean }) | null {
  try {
    const parsed = JSON.parse(body) as Partial<OfflineRequest> | null;
    return parsed !== null && Array.isArray(parsed.messages) ? { ...parsed, model: String(parsed.model), messages: parsed.messages } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function readBody(req: IncomingMessage, res: ServerResponse, done: (body: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  });
  req.on('end', () => (bytes > BODY_BYTES_MAX ? refuse(res, 413, 'The body is too large.') : done(Buffer.concat(chunks).toString('utf8'))));
}

function answer(res: ServerResponse, status: number, body: string): void {
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(body);
}

function refuse(res: ServerResponse, status: number, message: string): void {
  answer(res, status, JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}
