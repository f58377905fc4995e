import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TOOL_RESULT_BYTES_MAX } from '@nightshift/contracts';
import { waitFor } from '@nightshift/testing';
import { mcpStage, mcpTool } from './mcp-stage.ts';

const revisions = ['2026', '2025'] as const;

/** A result of one text. */
const said = (text: string, isError = false) => ({ isError, format: 'tool_response', content: { content: [{ type: 'text', text }], is_error: isError } });

let on: ReturnType<typeof mcpStage>;
beforeEach(() => void (on = mcpStage()));
afterEach(() => on.close());

describe.each(revisions)('an MCP server of %s', (revision) => {
  test('tells its tools by name, with their schemas and whether they may be repeated', async () => {
    const server = await on.serve({ revision });
    const { offers, error } = await on.list(mcpTool(server.url));
    expect(error).toBeUndefined();
    expect(offers.map(({ name }) => name)).toEqual(['Echo', 'add', 'ask', 'big', 'fail', 'show.all', 'wait', 'write']);
    expect(offers[0]).toMatchObject({ name: 'Echo', description: 'Says it again.', isRepeatable: true, inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } });
    expect(offers.find(({ name }) => name === 'add')).toMatchObject({ description: 'Adds two numbers', isRepeatable: true });
    expect(offers.find(({ name }) => name === 'write')).toMatchObject({ isRepeatable: false });
  });

  test('is asked for the tools that are allowed alone, in any case; for none it is not asked at all', async () => {
    const server = await on.serve({ revision });
    const names = (allowedTools: string[]) => on.names(mcpTool(server.url, undefined, { allowedTools }));
    expect(await names([])).toEqual([]);
    expect(server.requests()).toEqual([]);
    expect(await names(['ECHO', ' Write '])).toEqual(['Echo', 'write']);
    expect(await names(['*'])).toHaveLength(8);
    expect(await on.list(mcpTool(server.url, undefined, { allowedTools: ['nothing'] }))).toEqual({ offers: [], error: expect.stringContaining('It has: Echo, add') });
  });

  test('is called, and what it answers is the result', async () => {
    const server = await on.serve({ revision });
    const tool = mcpTool(server.url);
    expect(await on.call(tool, 'Echo', { text: 'hello' })).toEqual(said('hello'));
    expect(await on.call(tool, 'add', { a: 1, b: 2 })).toEqual({ isError: false, content: { sum: 3 } });
    expect(await on.call(tool, 'fail')).toEqual({ ...said('the tool says no', true), errorCode: 'tool_error' });
    expect(await on.call(tool, 'show.all')).toMatchObject({ isError: false, content: { content: [{ type: 'text' }, { type: 'image', source: { mime: 'image/png' } }, { type: 'audio' }, { text: expect.stringContaining('the notes') }, { type: 'file', filename: 'more' }] } });
  });

  test('is called with the key of the call and the trace', async () => {
    const server = await on.serve({ revision });
    await on.call(mcpTool(server.url), 'write', { text: 'a' }, { attempt: 2, traceparent: '00-11111111111111111111111111111111-2222222222222222-01' });
    expect(server.requests('tools/call')).toEqual([expect.objectContaining({ headers: expect.objectContaining({ 'idempotency-key': 'call_1', 'x-attempt': '2', traceparent: '00-11111111111111111111111111111111-2222222222222222-01' }) })]);
  });

  test('hears of a tool that it does not have, or that refuses the arguments, from the model’s call', async () => {
    const server = await on.serve({ revision });
    expect(await on.call(mcpTool(server.url), 'nothing')).toMatchObject({ isError: true });
    expect(await on.call(mcpTool(server.url), 'Echo', { text: 1 })).toMatchObject({ isError: true });
  });

  test('that asks for input from a person has its tool fail, and say so', async () => {
    const server = await on.serve({ revision });
    expect(await on.call(mcpTool(server.url), 'ask')).toMatchObject({ isError: true, ...(revision === '2026' && { errorCode: 'input_required', content: { message: expect.stringContaining('input from a person') } }) });
    expect(await on.call(mcpTool(server.url), 'Echo', { text: 'still there' })).toMatchObject({ isError: false });
  });

  test('is told when a call is canceled', async () => {
    const server = await on.serve({ revision });
    const abort = new AbortController();
    const pending = on.call(mcpTool(server.url), 'wait', {}, { signal: abort.signal });
    await waitFor(() => server.effects.waiting === 1);
    abort.abort(new Error('canceled'));
    await expect(pending).rejects.toThrow('canceled');
    await waitFor(() => server.effects.canceled === 1);
  });

  test('has its result cut at 256 KiB', async () => {
    const server = await on.serve({ revision });
    const { content } = await on.call(mcpTool(server.url), 'big', { bytes: 600_000 });
    expect(Buffer.byteLength(JSON.stringify(content))).toBeLessThanOrEqual(TOOL_RESULT_BYTES_MAX);
    expect(JSON.stringify(content)).toMatch(/truncated: \d+ of 600000 bytes/);
  });

  test('whose answer never ends is given up at 4 MiB', async () => {
    const server = await on.serve({ revision });
    expect(await on.call(mcpTool(server.url), 'big', { bytes: 5 * 1024 * 1024 })).toMatchObject({ isError: true, errorCode: 'connection_reset' });
  });

  test('is sent the credentials, as a bearer token or under an own name', async () => {
    const bearer = await on.serve({ revision, credential: { header: 'authorization', value: 'Bearer canary' } });
    const keyed = await on.serve({ revision, credential: { header: 'x-api-key', value: 'canary' } });
    const named = await on.serve({ revision, credential: { header: 'x-own', value: 'canary' } });
    const tools = [
      mcpTool(bearer.url, { auth: { type: 'bearer', token: 'canary' }, headers: { Authorization: 'Bearer other' } }),
      mcpTool(keyed.url, { auth: { type: 'api_key', token: 'canary' } }),
      mcpTool(named.url, { auth: { type: 'api_key', token: 'canary', header: 'X-Own' } }),
      mcpTool(named.url, { headers: { 'X-Own': 'canary' } }),
    ];
    for (const tool of tools) {
      expect((await on.list(tool)).offers).toHaveLength(8);
      expect(await on.call(tool, 'Echo', { text: 'in' })).toMatchObject({ isError: false });
    }
  });

  test('that refuses the credentials makes an error that says so, without them', async () => {
    const server = await on.serve({ revision, credential: { header: 'authorization', value: 'Bearer right' } });
    const tool = mcpTool(server.url, { auth: { type: 'bearer', token: 'canary' } });
    const told = [await on.list(tool), await on.call(tool, 'Echo', { text: 'in' }), await on.list(mcpTool(server.url))];
    expect(told).toEqual([{ offers: [], error: expect.stringContaining('refused the credentials') }, expect.objectContaining({ isError: true, errorCode: 'unauthorized' }), { offers: [], error: expect.stringContaining('refused') }]);
    expect(JSON.stringify(told)).not.toContain('canary');
  });
});

describe('a server that could not be listed', () => {
  const down = 'http://127.0.0.1:9/mcp';
  const unlisted = { isListed: false };

  test.each([
    ['cannot be reached', down, /could not be reached: 127.0.0.1 could not be connected to/],
    ['has a private address', 'http://10.0.0.1/mcp', /could not be reached: 10.0.0.1 is not a public address/],
    ['has no address', 'http://nobody.invalid/mcp', /could not be reached: the host name nobody.invalid/],
  ])('because it %s is an error with that reason, of the listing and of a call', async (_, url, words) => {
    expect(await on.list(mcpTool(url))).toEqual({ offers: [], error: expect.stringMatching(words) });
    expect(await on.call(mcpTool(url), 'read')).toMatchObject({ isError: true, content: { message: expect.stringMatching(words) } });
  });

  test('because it is no MCP server is an error with what it answered', async () => {
    const server = await on.serve({ revision: '2026', before: (_req, res) => void res.writeHead(404, { 'content-type': 'text/html' }).end('<p>no such page</p>') });
    expect(await on.list(mcpTool(server.url))).toEqual({ offers: [], error: expect.stringContaining('status 404') });
  });

  test('has the tools that the run names looked up in any case when they are called', async () => {
    const server = await on.serve({ revision: '2026' });
    const tool = mcpTool(server.url, undefined, { allowedTools: ['ECHO'] });
    expect(await on.call(tool, 'ECHO', { text: 'hi' }, unlisted)).toEqual(said('hi'));
    expect(await on.call(tool, 'write', { text: 'hi' }, unlisted)).toMatchObject({ isError: true, errorCode: 'unknown_tool', content: { message: expect.stringContaining('It has: Echo, add') } });
    expect(server.effects.written).toEqual([]);
  });

  test('is asked again by the function that stands for it, which calls what is allowed', async () => {
    const server = await on.serve({ revision: '2025' });
    const tool = mcpTool(server.url, undefined, { allowedTools: null });
    expect(await on.call(tool, undefined, {}, unlisted)).toMatchObject({ isError: false, content: { offers: expect.arrayContaining([expect.objectContaining({ name: 'Echo' })]) } });
    expect(await on.call(tool, undefined, { tool: 'echo', arguments: { text: 'hi' } }, unlisted)).toEqual(said('hi'));
    expect(await on.call(tool, undefined, { tool: 'nothing' }, unlisted)).toMatchObject({ isError: true, errorCode: 'unknown_tool' });
    expect(await on.call(mcpTool(down), undefined, {}, unlisted)).toMatchObject({ isError: true, errorCode: 'connection_refused' });
  });

  test('because its credentials cannot be opened is not asked', async () => {
    const server = await on.serve({ revision: '2026' });
    const tool = mcpTool(server.url, { auth: { type: 'bearer', token: 't' } });
    expect(await on.list(tool, { orgId: 'org_2' })).toEqual({ offers: [], error: expect.stringContaining('credentials') });
    expect(await on.call(tool, 'Echo', {}, { orgId: 'org_2' })).toMatchObject({ errorCode: 'credentials_unreadable' });
    expect(server.requests()).toEqual([]);
  });
});

test('a tool that answers that it needs input fails with a text that says so', async () => {
  const server = await on.serve({
    revision: '2026',
    before: (_req, res, { method, id }) => {
      if (method === 'tools/call') res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'input_required', requestState: 'x' } }));
    },
  });
  expect(await on.call(mcpTool(server.url), 'ask')).toMatchObject({ isError: true, errorCode: 'input_required', content: { message: expect.stringContaining('input from a person') } });
});

test('an answer that breaks off is an error at once', async () => {
  const server = await on.serve({
    revision: '2025',
    before: (req, res, { method }) => {
      if (method === 'tools/call') res.writeHead(200, { 'content-type': 'text/event-stream' }).write(': begun\n\n', () => req.socket.destroy());
    },
  });
  expect(await on.call(mcpTool(server.url), 'write', { text: 'a' })).toMatchObject({ isError: true, errorCode: 'connection_reset' });
});
