import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FakeMessagesRequest, messageEvents, problemOf, requestOfMessages } from './fake-anthropic.ts';
import { paced, sendPaced } from './fake-model-pace.ts';
import { type FakeFault, type FakeRequest, type FakeScript, type FakeTurn, nextTurn, scriptOf } from './fake-model-script.ts';
import { wallMs } from './wall-ms.ts';

/** What was seen of one run; times in milliseconds since the epoch, with fractions. */
export type FakeModelRun = { run: string; requests: number; answered: number; aborted: number; firstAtMs: number; lastAtMs: number };

export type FakeModelRecord = {
  requests: number;
  inFlight: number;
  inFlightMax: number;
  /** Requests whose client went away before the reply was complete. */
  aborted: number;
  runs: FakeModelRun[];
};

export type FakeModel = {
  /** For `UPSTREAM_BASE_URL`: ends in `/v1`. */
  readonly baseUrl: string;
  readonly url: string;
  record(): FakeModelRecord;
  run(run: string): FakeModelRun | undefined;
  /** The last 200 requests, with the headers they came with. */
  recent(): { headers: Record<string, unknown>; body: FakeRequest }[];
  /** Makes every request go wrong, whatever its script says, until it is told otherwise. */
  fail(fault: { readonly kind: FakeFault['kind']; readonly status?: number; readonly retryAfter?: string; /** The error's `type`. */ readonly type?: string } | null): void;
  reset(): void;
  close(): Promise<void>;
};

const recentMax = 200;

/**
 * An upstream for both wires, chat completions and Anthropic messages, that does what the instructions say (see `FakeScript`) and keeps a record of it, which
 * is also to be had over HTTP: `GET /record`, `DELETE /record`, and `GET /answers`, which stays open and gives the
 * name of each run on a line of its own when its answer is out. `port` 0 (the default) takes any free one.
 */
export async function startFakeModel({ port = 0 } = {}): Promise<FakeModel> {
  const runs = new Map<string, FakeModelRun>();
  const listeners = new Set<ServerResponse>();
  let fault: Parameters<FakeModel['fail']>[0] = null;
  let recent: { headers: Record<string, unknown>; body: FakeRequest }[] = [];
  const totals = { requests: 0, inFlight: 0, inFlightMax: 0, aborted: 0 };

  const record = (): FakeModelRecord => ({ ...totals, runs: [...runs.values()] });
  const reset = (): void => {
    runs.clear();
    recent = [];
    fault = null;
    Object.assign(totals, { requests: 0, inFlightMax: totals.inFlight, aborted: 0 });
  };

  const begin = (script: FakeScript, turn: FakeTurn, res: ServerResponse): FakeModelRun => {
    const atMs = wallMs();
    const run = runs.get(script.run) ?? { run: script.run, requests: 0, answered: 0, aborted: 0, firstAtMs: atMs, lastAtMs: atMs };
    runs.set(script.run, run);
    run.requests += 1;
    run.lastAtMs = atMs;
    totals.requests += 1;
    totals.inFlight += 1;
    totals.inFlightMax = Math.max(totals.inFlightMax, totals.inFlight);
    res.once('close', () => {
      totals.inFlight -= 1;
      if (res.writableFinished) {
        run.answered += 1;
        if (turn.calls.length === 0) for (const listener of listeners) listener.write(`${script.run}\n`);
      } else {
        run.aborted += 1;
        totals.aborted += 1;
      }
    });
    return run;
  };

  const complete = (req: IncomingMessage, sent: FakeRequest | FakeMessagesRequest, res: ServerResponse): void => {
    recent.push({ headers: req.headers, body: sent as FakeRequest });
    if (recent.length >= 2 * recentMax) recent = recent.slice(-recentMax);
    const messages = req.url?.endsWith('/messages') ? (sent as FakeMessagesRequest) : null;
    const body = messages ? requestOfMessages(messages) : (sent as FakeRequest);
    const script = scriptOf(body);
    const turn = nextTurn(script, body);
    const run = begin(script, turn, res);
    const isFaulty = script.fault !== null && turn.index === script.faultTurn && run.requests - turn.index <= script.fault.times;
    const answer = (): void => {
      if (fault) goWrong({ ...fault, status: fault.status ?? 0, retryAfter: fault.retryAfter ?? null }, res);
      else if (script.fault && isFaulty) goWrong({ ...script.fault, retryAfter: script.retryAfter }, res);
      else if (messages) replyMessage(script, turn, messages, res);
      else reply(script, turn, body, res);
    };
    if (script.delay > 0) setTimeout(answer, script.delay);
    else answer();
  };

  const server = createServer((req, res) => {
    if (req.url === '/record') {
      if (req.method === 'DELETE') reset();
      res.setHeader('content-type', 'application/json').end(JSON.stringify(record()));
      return;
    }
    if (req.url === '/answers') {
      listeners.add(res.once('close', () => listeners.delete(res)));
      res.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders();
      return;
    }
    if (req.method !== 'POST') {
      res.setHeader('content-type', 'application/json').end('{"object":"list","data":[{"id":"fake","object":"model","created":0,"owned_by":"fake"}]}');
      return;
    }
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const text = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8');
      complete(req, JSON.parse(text) as FakeRequest | FakeMessagesRequest, res);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    baseUrl: `${url}/v1`,
    record,
    run: (name) => runs.get(name),
    recent: () => recent.slice(-recentMax),
    fail: (next) => void (fault = next),
    reset,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Fails the way the script says; a hanging request is left to its client. */
function goWrong({ kind, status, retryAfter, type = 'fake' }: { kind: FakeFault['kind']; status: number; retryAfter: string | null; type?: string }, res: ServerResponse): void {
  if (kind === 'status') {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (retryAfter !== null) headers['retry-after'] = retryAfter;
    res.writeHead(status, headers).end(JSON.stringify({ type: 'error', error: { message: 'as the script says', type } }));
  }
  if (kind === 'cut') {
    res.writeHead(200, sse).write(`${chunk('{"role":"assistant","content":"cut off he"}')}data: {"choices":[{"del`, () => res.destroy());
  }
}

function replyMessage(script: FakeScript, turn: FakeTurn, request: FakeMessagesRequest, res: ServerResponse): void {
  const problem = problemOf(request);
  if (problem !== null) {
    res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message: problem } }));
    return;
  }
  const inputTokens = Math.ceil(JSON.stringify(request.messages).length / 4);
  res.writeHead(200, sse).end(messageEvents(turn, { inputTokens, outputTokens: script.tokens }));
}

const sse = { 'content-type': 'text/event-stream; charset=utf-8' };
const head = '{"id":"chatcmpl-fake","object":"chat.completion.chunk","created":0,"model":"fake","choices":[';

function chunk(delta: string, finish: string | null = null): string {
  return `data: ${head}{"index":0,"delta":${delta},"finish_reason":${finish === null ? 'null' : `"${finish}"`}}]}\n\n`;
}

function reply(script: FakeScript, turn: FakeTurn, request: FakeRequest, res: ServerResponse): void {
  const calls = turn.calls.map(({ id, name, arguments: given }, index) => ({ index, id, type: 'function', function: { name, arguments: given } }));
  const finish = calls.length > 0 ? 'tool_calls' : 'stop';
  const prompt = Math.ceil(JSON.stringify(request.messages).length / 4);
  const usage = `{"prompt_tokens":${prompt},"completion_tokens":${script.tokens},"total_tokens":${prompt + script.tokens}}`;
  if (request.stream !== true) {
    const message = JSON.stringify({ role: 'assistant', content: turn.text, ...(calls.length > 0 && { tool_calls: calls }) });
    const choice = `{"index":0,"message":${message},"finish_reason":"${finish}"}`;
    res.setHeader('content-type', 'application/json');
    res.end(`{"id":"chatcmpl-fake","object":"chat.completion","created":0,"model":"fake","choices":[${choice}]${script.noUsage ? '' : `,"usage":${usage}`}}`);
    return;
  }
  const end = `${chunk('{}', finish)}${script.noUsage ? '' : `data: ${head}],"usage":${usage}}\n\n`}data: [DONE]\n\n`;
  if (script.pace > 0) {
    res.writeHead(200, sse).flushHeaders();
    void sendPaced(res, paced(script, turn), script.pace, chunk).then(() => res.end(end));
    return;
  }
  // One write per reply: a fake that flushes every chunk would be what a benchmark measures.
  let body = chunk('{"role":"assistant","content":""}');
  if (script.think !== '') body += chunk(JSON.stringify({ reasoning_content: script.think }));
  const step = Math.max(8, Math.ceil(turn.text.length / 64));
  for (let at = 0; at < turn.text.length; at += step) body += chunk(`{"content":${JSON.stringify(turn.text.slice(at, at + step))}}`);
  if (calls.length > 0) body += chunk(`{"tool_calls":${JSON.stringify(calls)}}`);
  res.writeHead(200, sse).end(body + end);
}
