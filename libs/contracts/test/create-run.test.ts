import { describe, expect, test } from '@jest/globals';
import { CreateRun, ListRuns, PLATFORM_TOOLS, Tool, toolTimeoutMs } from '@nightshift/contracts';

const run = (input: object = {}, more: object = {}) => ({ engine: 'tim', input: { instructions: 'do it', ...input }, ...more });
const problems = (body: unknown) => CreateRun.safeParse(body).error?.issues.map((issue) => issue.path.join('.')) ?? [];
const lookup = { name: 'lookup', description: 'Looks it up.', url: 'https://example.com/x', method: 'GET', timeout: 5, parameters: { type: 'object', properties: { q: { type: 'string' } } }, headers: { 'x-key': 'k' }, defaults: { key: 1 }, envelope: true, retry: 'never' };

describe('a request for a run', () => {
  test('needs an engine and instructions, and no more', () => {
    expect(CreateRun.parse(run())).toEqual({ engine: 'tim', input: { instructions: 'do it', tools: [] } });
    expect(problems({})).toEqual(['engine', 'input']);
    expect(problems({ engine: '', input: { instructions: '' } })).toEqual(['engine', 'input.instructions']);
  });

  test('may carry what we do not know, and nulls where clients send them', () => {
    const body = run({ metadata: null, content: null, skills: [], surprise: 1 }, { output: { callbackUrl: null, responseContent: null }, options: { awaitCompletion: true }, surprise: 2 });
    expect(problems(body)).toEqual([]);
    expect(problems(run({}, { output: null, options: null }))).toEqual([]);
    expect(JSON.stringify(CreateRun.parse(body))).not.toContain('surprise');
  });

  test.each([
    ['options.timeout', { options: { timeout: 0 } }],
    ['options.timeout', { options: { timeout: 3601 } }],
    ['options.timeout', { options: { timeout: 1.5 } }],
    ['options.max_step_tokens', { options: { max_step_tokens: 255 } }],
    ['output.callbackUrl', { output: { callbackUrl: 'ftp://example.com' } }],
    ['output.callbackUrl', { output: { callbackUrl: 'not a url' } }],
    ['output.responseContent', { output: { responseContent: 'half' } }],
  ])('names %s when it is out of bounds', (path, more) => {
    expect(problems(run({}, more))).toEqual([path]);
  });

  test.each(['content', 'images', 'skills', 'agentId', 'resources'])('says that this server has no %s', (field) => {
    const result = CreateRun.safeParse(run({ [field]: field === 'agentId' ? 'a' : ['a'] }));
    expect(result.error?.issues).toMatchObject([{ path: ['input', field], message: expect.stringContaining('this server has no') }]);
  });
});

describe('a function tool', () => {
  test('means the same flat and nested, with its fields in either place', () => {
    const { name, description, parameters, ...rest } = lookup;
    const flat = Tool.parse({ type: 'function', ...lookup });
    expect(flat).toEqual({ type: 'function', ...lookup });
    expect(Tool.parse({ type: 'function', function: lookup })).toEqual(flat);
    expect(Tool.parse({ type: 'function', function: { name, description, parameters }, ...rest })).toEqual(flat);
    expect(Tool.parse({ function: lookup })).toEqual(flat);
  });

  test('is called by POST with any arguments within 30 s unless it says otherwise, and may be repeated', () => {
    const tool = Tool.parse({ type: 'function', name: 'a', url: 'https://example.com' });
    expect(tool).toEqual({ type: 'function', name: 'a', url: 'https://example.com', method: 'POST', parameters: { type: 'object', properties: {} }, retry: 'safe' });
    expect([toolTimeoutMs(undefined), toolTimeoutMs(0.5), toolTimeoutMs(600), toolTimeoutMs(601), toolTimeoutMs(5000)]).toEqual([30_000, 500, 600_000, 601, 5000]);
  });

  test('may spell its method in small letters', () => {
    expect(Tool.parse({ type: 'function', ...lookup, method: 'get' })).toMatchObject({ method: 'GET' });
  });

  test.each([
    ['name', { name: 'two words' }],
    ['name', { name: 'x'.repeat(65) }],
    ['url', { url: 'file:///etc/passwd' }],
    ['url', { url: '/relative' }],
    ['method', { method: 'DELETE' }],
    ['timeout', { timeout: 0 }],
    ['headers.x', { headers: { x: 1 } }],
    ['retry', { retry: 'always' }],
  ])('with a wrong %s is refused', (path, more) => {
    expect(Tool.safeParse({ type: 'function', ...lookup, ...more }).error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
});

describe('another tool', () => {
  test.each(Object.keys(PLATFORM_TOOLS))('of the platform is accepted: %s', (id) => {
    expect(Tool.parse({ type: 'platform', id, options: null })).toMatchObject({ type: 'platform', id });
  });

  test.each(['unheard', 'constructor', ''])('of the platform is refused, with those that there are: "%s"', (id) => {
    expect(Tool.safeParse({ type: 'platform', id }).error?.issues).toMatchObject([{ path: ['id'], message: expect.stringContaining('web_search') }]);
  });

  test('of an MCP server may name it in each of the historical ways', () => {
    for (const tool of [{ url: 'https://mcp.example.com' }, { server: 'https://mcp.example.com', name: 'read' }, { url: 'https://mcp.example.com', allow: ['read'], auth: { type: 'bearer', token: 't' } }]) {
      expect(Tool.parse({ type: 'mcp', ...tool })).toEqual({ type: 'mcp', ...tool });
    }
    expect(Tool.safeParse({ type: 'mcp' }).success).toBe(false);
  });

  test.each([{ type: 'webhook' }, { name: 'no type' }, null, 'lookup', []])('of no kind that we know is refused with the kinds there are: %j', (tool) => {
    const result = CreateRun.safeParse(run({ tools: [tool] }));
    expect(result.error?.issues[0]).toMatchObject({ path: expect.arrayContaining(['input', 'tools', 0]) });
  });
});

describe('the query of a list', () => {
  test('has 50 rows, or 1 to 100', () => {
    expect([ListRuns.parse({}).limit, ListRuns.parse({ limit: '100' }).limit]).toEqual([50, 100]);
    for (const limit of ['0', '101', '1.5', 'many', '']) expect(ListRuns.safeParse({ limit }).success).toBe(false);
  });
});
