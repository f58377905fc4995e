import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { AppError, CreateKey, type Frame, type RunStatus } from '@nightshift/contracts';
import { InternalClient, portOf } from '@nightshift/http';
import { LocalBus } from '@nightshift/messaging';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog, ReadinessChecks, Shutdown } from '@nightshift/runtime';
import type { Surroundings } from '@nightshift/service';
import { generateSealKeyPair, newId } from '@nightshift/std';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import { buildGateway, GatewayEnvironment } from '../src/index.ts';
import { KeyStore } from '../src/key.store.ts';

const log = createLog({ level: 'silent', format: 'json' });
const KEY = 'sk-ns-bootstrap-key';
const ORIGIN = 'https://app.example';
const at = new Date(0).toISOString();

/** What is behind the gateway: runs, their frames, and plain calls, of which nobody knows more than a test says. */
class Neighbours {
  frames: Frame[] = [];
  status: RunStatus = 'running';
  /** Nobody can say how runs stand. */
  isAway = false;
  readonly canceled: string[] = [];
  /** Requests wait for it, when it is there. */
  gate: Promise<void> = Promise.resolve();
  asked: string[] = [];
  plainCalls = 0;

  readonly client = new InternalClient(
    async ({ method, path, body }) => {
      const url = new URL(path, 'http://neighbour');
      this.asked.push(url.pathname);
      await this.gate;
      return { status: 200, body: JSON.stringify(this.#answer(method, url, body === undefined ? undefined : JSON.parse(body))) };
    },
    'token',
    undefined,
    async () => {
      this.plainCalls += 1;
      const piece = `: ${'x'.repeat(64 * 1024)}\n\n`;
      return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: (async function* () { for (;;) yield piece; })() };
    },
  );

  #answer(method: string, { pathname, searchParams }: URL, body: unknown): object {
    const runId = pathname.split('/').find((part) => part.startsWith('run_'));
    if (pathname === '/internal/run-engines') return { engines: (body as { asked: unknown[] }).asked.map(() => 'tim') };
    if (pathname === '/internal/frame-heads') return { heads: {}, ended: [] };
    if (pathname === '/internal/ended-runs') return { runIds: [] };
    if (pathname === '/internal/usage/wait') return { orgMs: 0, keyMs: 0 };
    if (pathname.endsWith('/frames')) return this.#page(Number(searchParams.get('after')));
    if (this.isAway && pathname === `/internal/runs/${runId}`) throw new AppError('service_unavailable');
    if (pathname.endsWith('/cancel')) this.canceled.push(runId as string);
    if (method === 'POST' && pathname === '/internal/runs') return { runId: (body as { runId: string }).runId, replayed: false };
    return { runId, status: this.status, engine: 'tim', createdAt: at, updatedAt: at };
  }

  #page(after: number): object {
    // As a database has it that numbers frames with four bytes.
    if (after > 2 ** 31 - 1) throw new AppError('internal_error');
    const frames = this.frames.slice(after);
    return { frames, isOver: frames.length === 0 && this.frames.at(-1)?.kind === 'end' };
  }
}

let database: TestDatabase;
let shutdown: Shutdown;
let behind: Neighbours;
let port: number;
let keys: KeyStore;
let connections: () => Promise<number>;
let sockets: Socket[];

beforeAll(async () => void (database = await testDatabase({ template: 'empty', migrate: () => Promise.resolve() })));
afterAll(() => database.drop());
beforeEach(async () => {
  shutdown = new Shutdown();
  behind = new Neighbours();
  sockets = [];
  const around: Surroundings = {
    log, bus: new LocalBus(), hints: new InProcessHints(), readiness: new ReadinessChecks(), shutdown, databaseUrl: database.url, connectionsMax: 4,
    pool: 'shared', onePool: undefined, serviceTokens: new Map(), neighbours: [], client: () => behind.client,
  };
  const service = await buildGateway(GatewayEnvironment.parse({ ADMIN_TOKEN: 'operators-own-token', BOOTSTRAP_API_KEY: KEY, SEAL_PUBLIC_KEY: generateSealKeyPair().publicKey, RATE_LIMIT_TPM: '1000000', UPSTREAM_BASE_URL: 'http://127.0.0.1:1/v1', UPSTREAM_MODEL: 'acme/chat', BROWSER_ORIGINS: ORIGIN }), around);
  await service.app.listen(0, '127.0.0.1');
  port = portOf(service.app);
  keys = service.app.get(KeyStore);
  const server = service.app.getHttpServer();
  connections = promisify(server.getConnections.bind(server));
});
afterEach(async () => {
  sockets.forEach((socket) => socket.destroy());
  await shutdown.run(log, 0);
});

const frame = (seq: number, kind: Frame['kind'], text = ''): Frame => ({ seq, kind, text });
const ended: Frame[] = [frame(1, 'started'), frame(2, 'text', '{"reasoning":[],"answer":1}'), frame(3, 'end', JSON.stringify({ status: 'succeeded', result: { answer: 1 } }))];
const runBody = JSON.stringify({ engine: 'tim', input: { instructions: 'x' } });
const chatBody = (more: object = {}) => JSON.stringify({ model: 'tim', messages: [{ role: 'user', content: 'x' }], ...more });
const plainBody = chatBody({ model: 'acme/chat', stream: true });
const request = (method: string, path: string, { body, headers, signal }: { body?: string; headers?: Record<string, string>; signal?: AbortSignal } = {}) =>
  fetch(`http://127.0.0.1:${port}/v1${path}`, { method, headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers }, ...(body !== undefined && { body }), ...(signal && { signal }) });
const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

/** A client that sends a request and reads none of the answer. */
function stalled(method: string, path: string, body = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').pause();
  sockets.push(socket);
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.write(`${method} /v1${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`, () => resolve(socket)));
}

describe('a stream goes on', () => {
  test.each([
    ['Last-Event-ID', (last: string) => request('GET', `/runs/${newId('run')}/stream?starting_after=0`, { headers: { 'last-event-id': last } })],
    ['starting_after', (last: string) => request('GET', `/runs/${newId('run')}/stream?starting_after=${last}`)],
    ['what the request that began the run names', (last: string) => request('POST', '/runs/stream', { body: runBody, headers: { 'last-event-id': last } })],
  ])('after %s, whatever frame that is', async (_what, ask) => {
    behind.frames = ended;
    const texts = await Promise.all(['0', '2', '3', '2147483648', '9007199254740991'].map(async (last) => (await ask(last)).text()));
    expect(texts.map(idsIn)).toEqual([[1, 2, 3], [3], [], [], []]);
    expect(texts.map((text) => text.endsWith('data: [DONE]\n\n'))).toEqual(texts.map(() => true));
  });

  test('after nothing that is no number, and no run is begun then', async () => {
    const asked = ['-1', '1.5', 'x', ''].flatMap((last) => [request('GET', `/runs/${newId('run')}/stream`, { headers: { 'last-event-id': last } }), request('POST', '/runs/stream', { body: runBody, headers: { 'last-event-id': last } })]);
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(asked.map(() => 400));
    expect(behind.asked).not.toContain('/internal/runs');
  });
});

test('a browser of the operator’s origins may do all that a key may, and read what clients go by', async () => {
  const preflight = (origin: string) => request('OPTIONS', '/tools/x', { headers: { origin, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization' } });
  const allowed = (await preflight(ORIGIN)).headers;
  expect([allowed.get('access-control-allow-origin'), allowed.get('access-control-allow-headers')]).toEqual([ORIGIN, 'authorization']);
  expect(allowed.get('access-control-allow-methods')?.split(', ')).toEqual(expect.arrayContaining(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']));
  expect((await preflight('https://elsewhere.example')).headers.get('access-control-allow-origin')).toBeNull();
  const refused = await request('POST', '/runs', { body: '{}', headers: { origin: ORIGIN } });
  expect(refused.headers.get('access-control-expose-headers')).toMatch(/x-request-id.*x-run-id.*retry-after.*x-should-retry/);
});

test.each(['/runs', '/runs/stream'])('who sends a format of the reasoning to %s is warned that it is ignored, and nobody else is', async (path) => {
  behind.frames = ended;
  const warnings = await Promise.all([{}, { reasoningFormat: { type: 'object' } }].map(async (more) => (await request('POST', path, { body: JSON.stringify({ engine: 'tim', input: { instructions: 'x', ...more } }) })).headers.get('warning')));
  expect(warnings).toEqual([null, '299 - "input.reasoningFormat is ignored"']);
});

test('who asks for the head of a stream alone watches nothing', async () => {
  const reply = await request('HEAD', `/runs/${newId('run')}/stream?on_disconnect=cancel`);
  expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  await shutdown.run(log, 60_000);
  expect(behind.asked).toEqual(['/internal/run-engines']);
});

describe('a client that leaves', () => {
  const leaving = async (path: string, body?: string) => {
    const leave = new AbortController();
    const left = request(body === undefined ? 'GET' : 'POST', path, { ...(body !== undefined && { body }), signal: leave.signal });
    const shown = left.then((reply) => reply.text()).catch(() => undefined);
    await waitFor(() => behind.asked.some((asked) => /run_/.test(asked)));
    leave.abort();
    await shown;
  };

  test.each([
    ['a stream', '/runs/stream', runBody],
    ['a chat that is streamed', '/chat/completions', chatBody({ stream: true })],
    ['a chat', '/chat/completions', chatBody()],
  ])('cancels the run of %s if it said so, and no other', async (_what, path, body) => {
    await leaving(path, body);
    behind.asked = [];
    await leaving(`${path}?on_disconnect=cancel`, body);
    await waitFor(() => behind.canceled.length > 0);
    expect(behind.canceled).toEqual([expect.stringMatching(/^run_/)]);
  });

  test('cancels the run of a chat also where nobody can say meanwhile how it stands', async () => {
    behind.isAway = true;
    await leaving('/chat/completions?on_disconnect=cancel', chatBody());
    expect(await waitFor(() => behind.canceled[0])).toMatch(/^run_/);
  });

  test('cancels no run that its key may only read, however it shows that key', async () => {
    const { key } = await keys.create('org_default', CreateKey.parse({ name: 'reader', scopes: ['runs:read'] }));
    const path = `/runs/${newId('run')}/stream?on_disconnect=`;
    const ask = (how: string) => Promise.all([request('GET', path + how, { headers: { authorization: `Bearer ${key}` } }), request('GET', `${path + how}&api_key=${key}`, { headers: { authorization: '', origin: ORIGIN } })]);
    behind.frames = ended;
    for (const reply of await ask('cancel')) expect([reply.status, await reply.json()]).toMatchObject([403, { error: { code: 'permission_denied' } }]);
    expect(behind.asked).toEqual([]);
    expect((await ask('continue')).map(({ status }) => status)).toEqual([200, 200]);
  });

  test('before anything was answered leaves nothing behind', async () => {
    let open: () => void = () => undefined;
    behind.gate = new Promise((resolve) => (open = resolve));
    const clients = await Promise.all([stalled('GET', `/runs/${newId('run')}/stream`), stalled('POST', '/chat/completions', plainBody)]);
    await waitFor(() => behind.asked.length === 2);
    clients.forEach((client) => client.destroy());
    await waitFor(async () => (await connections()) === 0);
    open();
    await shutdown.run(log, 60_000);
    expect(behind.plainCalls).toBe(0);
  });
});

describe('a gateway that stops', () => {
  test('does not wait for clients that take nothing', async () => {
    behind.frames = [frame(1, 'started'), ...Array.from({ length: 200 }, (_, index) => frame(index + 2, 'text', 'x'.repeat(64 * 1024)))];
    await stalled('GET', `/runs/${newId('run')}/stream`);
    await stalled('GET', `/runs/${newId('run')}/stream?on_disconnect=cancel`);
    await stalled('POST', '/chat/completions', plainBody);
    await waitFor(() => behind.asked.filter((path) => path.endsWith('/frames')).length === 2 && behind.plainCalls === 1, { timeoutMs: 60_000 });
    await shutdown.run(log, 0);
    // Nobody has left.
    expect(behind.canceled).toEqual([]);
  });

  test('tells the others to come back', async () => {
    behind.frames = ended.slice(0, 2);
    const [observed, begun] = await Promise.all([request('GET', `/runs/${newId('run')}/stream`), request('POST', '/runs/stream', { body: runBody })]);
    await waitFor(() => behind.asked.filter((path) => path.endsWith('/frames')).length === 2);
    const texts = Promise.all([observed.text(), begun.text()]);
    await shutdown.run(log, 0);
    const [observedText, begunText] = await texts;
    expect(observedText.endsWith('\n\n: the server is going away\nretry: 1000\n\n')).toBe(true);
    expect(begunText).toMatch(/\n\nevent: error\ndata: \{.*"code":"service_unavailable"\}\n\ndata: \[DONE\]\n\n$/);
  });
});
