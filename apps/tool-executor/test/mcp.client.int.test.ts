import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mcpStage, mcpTool } from './mcp-stage.ts';

let on: ReturnType<typeof mcpStage>;
beforeEach(() => void (on = mcpStage()));
afterEach(() => on.close());

const runs = ['run_1', 'run_2'];

describe('a session', () => {
  test('is one for each run, kept from call to call, and ended when the process ends', async () => {
    const server = await on.serve({ revision: '2025' });
    for (const runId of runs) {
      await on.list(mcpTool(server.url), { runId });
      await Promise.all(['a', 'b'].map((text) => on.call(mcpTool(server.url), 'write', { text }, { runId })));
    }
    const used = server.requests('tools/call').map(({ headers }) => headers['mcp-session-id']);
    expect(server.requests('initialize')).toHaveLength(2);
    expect(new Set(used).size).toBe(2);
    expect(used.slice(0, 2)).toEqual([used[0], used[0]]);
    await on.servers.close();
    expect(server.requests().flatMap(({ httpMethod, headers }) => (httpMethod === 'DELETE' ? [headers['mcp-session-id']] : [])).toSorted()).toEqual([...new Set(used)].toSorted());
  });

  test('opens no stream that stays open', async () => {
    const server = await on.serve({ revision: '2025' });
    await on.call(mcpTool(server.url), 'write', { text: 'a' });
    expect(server.requests().filter(({ httpMethod }) => httpMethod === 'GET')).toEqual([]);
  });

  test('that the server forgot is rebuilt once for all who use it, and what was called in it is called again', async () => {
    const server = await on.serve({ revision: '2025' });
    await on.call(mcpTool(server.url), 'write', { text: 'before' });
    server.forgetSessions();
    const results = await Promise.all(['a', 'b', 'c'].map((text) => on.call(mcpTool(server.url), 'write', { text })));
    expect(results.map(({ isError }) => isError)).toEqual([false, false, false]);
    expect(server.effects.written.toSorted()).toEqual(['a', 'b', 'before', 'c']);
    expect(server.requests('initialize')).toHaveLength(2);
  });

  test('that the server refuses with 400 is rebuilt too', async () => {
    let refusals = 1;
    const server = await on.serve({
      revision: '2025',
      before: (_req, res, { method }) => {
        if (method === 'tools/call' && refusals-- > 0) res.writeHead(400, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}');
      },
    });
    expect(await on.call(mcpTool(server.url), 'write', { text: 'a' })).toMatchObject({ isError: false });
    expect(server.effects.written).toEqual(['a']);
  });

  test('that is forgotten again and again ends in an error', async () => {
    const server = await on.serve({ revision: '2025', before: (_req, res, { method }) => void (method === 'tools/call' && res.writeHead(404).end()) });
    expect(await on.call(mcpTool(server.url), 'write', { text: 'a' })).toMatchObject({ isError: true, errorCode: 'http_status' });
    expect(server.requests('tools/call')).toHaveLength(2);
  });
});

describe('the tools of a server', () => {
  const tool = (url: string, token: string) => mcpTool(url, { auth: { type: 'bearer', token } });

  test('are remembered for as long as it says, for each credential by itself', async () => {
    const server = await on.serve({ revision: '2026', ttlMs: 60_000 });
    const asked = [];
    for (const [token, runId, orgId] of [['one', 'run_1', 'org_1'], ['one', 'run_2', 'org_1'], ['two', 'run_1', 'org_1']] as const) {
      asked.push(await on.names(tool(server.url, token), { runId, orgId }));
    }
    expect(new Set(asked.map(String)).size).toBe(1);
    expect(server.requests('tools/list').map(({ headers }) => headers['authorization'])).toEqual(['Bearer one', 'Bearer two']);
  });

  test.each(['2026', '2025'] as const)('are asked for by each run of a server of %s that does not say', async (revision) => {
    const server = await on.serve({ revision });
    for (const runId of runs) await on.list(mcpTool(server.url), { runId });
    expect(server.requests('tools/list')).toHaveLength(2);
  });
});

describe('what revision a server speaks', () => {
  test.each(['2026', '2025'] as const)('is found out once for all runs (%s)', async (revision) => {
    const server = await on.serve({ revision });
    for (const runId of runs) expect(await on.call(mcpTool(server.url), 'write', { text: runId }, { runId })).toMatchObject({ isError: false });
    expect(server.requests('server/discover')).toHaveLength(1);
  });

  test('is found out anew when the server was exchanged for a newer or an older one', async () => {
    let server = await on.serve({ revision: '2026' });
    const { url } = server;
    const port = Number(new URL(url).port);
    expect(await on.call(mcpTool(url), 'write', { text: 'a' }, { runId: 'run_before' })).toMatchObject({ isError: false });
    for (const [index, revision] of (['2025', '2026', '2025'] as const).entries()) {
      await server.close();
      server = await on.serve({ revision, port });
      // What is remembered of the old server may fail one run's first call, and no more.
      await on.call(mcpTool(url), 'write', { text: 'b' }, { runId: `run_${index}` });
      expect(await on.call(mcpTool(url), 'write', { text: 'c' }, { runId: `run_${index}` })).toMatchObject({ isError: false });
    }
  });
});

describe('a redirect', () => {
  const redirecting = (to: () => string) => on.serve({ revision: '2026', before: (req, res) => void (req.url === '/mcp' && res.writeHead(307, { location: to() }).end()) });

  test('within the server is followed', async () => {
    const server = await redirecting(() => '/there');
    expect(await on.call(mcpTool(server.url), 'write', { text: 'a' })).toMatchObject({ isError: false });
  });

  test('to another server is not followed, so that credentials stay where they belong', async () => {
    const other = await on.serve({ revision: '2026' });
    const server = await redirecting(() => other.url);
    expect(await on.list(mcpTool(server.url, { auth: { type: 'bearer', token: 'canary' } }))).toEqual({ offers: [], error: expect.stringContaining('status 307') });
    expect(other.requests()).toEqual([]);
  });
});

test('a server that an organisation may reach is out of reach of another, whatever is connected already', async () => {
  const guarded = mcpStage({ allow: [] });
  try {
    const server = await guarded.serve({ revision: '2026', ttlMs: 60_000 });
    expect(await guarded.names(mcpTool(server.url), { egressAllow: ['127.0.0.0/8'] })).toHaveLength(8);
    expect(await guarded.list(mcpTool(server.url))).toEqual({ offers: [], error: expect.stringContaining('not a public address') });
  } finally {
    await guarded.close();
  }
});

test('a server that breaks each stream off is asked no more than once a second for the rest', async () => {
  const askedAtMs: number[] = [];
  let called: unknown;
  const event = (id: number, data: string) => `id: ${id}\nretry: 0\ndata: ${data}\n\n`;
  const server = await on.serve({
    revision: '2025',
    before: (req, res, { method, id }) => {
      const isResumed = req.method === 'GET' && req.headers['last-event-id'] !== undefined;
      if (method !== 'tools/call' && !isResumed) return;
      if (method === 'tools/call') called = id;
      askedAtMs.push(performance.now());
      const isAnswered = askedAtMs.length === 4;
      res.writeHead(200, { 'content-type': 'text/event-stream' }).end(event(askedAtMs.length, isAnswered ? JSON.stringify({ jsonrpc: '2.0', id: called, result: { content: [{ type: 'text', text: 'at last' }] } }) : ''));
    },
  });
  expect(JSON.stringify(await on.call(mcpTool(server.url), 'write', { text: 'a' }))).toContain('at last');
  const gapsMs = askedAtMs.slice(1).map((at, index) => at - askedAtMs[index]!);
  expect(gapsMs).toEqual(Array.from({ length: 3 }, () => expect.any(Number)));
  expect(Math.min(...gapsMs)).toBeGreaterThan(990);
});

test.each(['server/discover', 'initialize', 'notifications/initialized'])('a server that never answers %s is given up, and its connection closed', async (silent) => {
  const hasty = mcpStage({ connectTimeoutMs: 200 });
  const closed = Promise.withResolvers<void>();
  try {
    const server = await hasty.serve({
      revision: '2025',
      before: (_req, res, { method }) => {
        // What is answered begins to be, and comes to nothing.
        if (method === silent) res.on('close', closed.resolve).writeHead(200, { 'content-type': 'application/json' }).write(' ');
      },
    });
    expect(await hasty.call(mcpTool(server.url), 'write', { text: 'a' })).toMatchObject({ isError: true, errorCode: 'timeout' });
    await closed.promise;
  } finally {
    await hasty.close();
  }
});
