import { describe, expect, test } from '@jest/globals';
import { CreateRun, IMAGE_BASE64_CHARS_MAX, ListRuns, PLATFORM_TOOLS, runContentOf, Tool, toolTimeoutMs, WaitRun } from '@nightshift/contracts';

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
    const empty = { tools: null, answerFormat: null, metadata: null, content: null, images: null, skills: [], agentId: '', resources: null };
    const body = run({ ...empty, surprise: 1 }, { output: { callbackUrl: null, responseContent: null }, options: { awaitCompletion: true, timeout: null, max_step_tokens: null }, surprise: 2 });
    expect(problems(body)).toEqual([]);
    expect(problems(run({}, { output: null, options: null }))).toEqual([]);
    expect(JSON.stringify(CreateRun.parse(body))).not.toContain('surprise');
    expect(CreateRun.parse(body).input.tools).toEqual([]);
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

  test('is told that an address is too long, and not that it is none', () => {
    const { error } = CreateRun.safeParse(run({}, { output: { callbackUrl: `https://example.com/${'x'.repeat(2048)}` } }));
    expect(error?.issues.map(({ message }) => message)).toEqual(['must be at most 2048 characters']);
  });

  test.each(['skills', 'agentId', 'resources'])('says that this server has no %s', (field) => {
    const result = CreateRun.safeParse(run({ [field]: field === 'agentId' ? 'a' : ['a'] }));
    expect(result.error?.issues).toMatchObject([{ path: ['input', field], message: expect.stringContaining('this server has no') }]);
  });
});

describe('the content of a run', () => {
  const image = (source: object) => ({ type: 'image', source });
  const messages = (input: object) => CreateRun.safeParse(run(input)).error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? [];

  test('is text and images, as data or as addresses, in either field', () => {
    const content = [{ type: 'text', text: 'look' }, image({ kind: 'base64', data: 'aGk=', mime: 'image/png' }), image({ kind: 'url', url: 'https://example.com/a.webp' })];
    const images = ['http://example.com/b.png', 'data:image/jpeg;base64,aGk='];
    const { input } = CreateRun.parse(run({ content, images }));
    expect(runContentOf(input.content ?? [], input.images ?? [])).toEqual([
      { type: 'text', text: 'look' },
      { type: 'image', url: 'data:image/png;base64,aGk=' },
      { type: 'image', url: 'https://example.com/a.webp' },
      { type: 'image', url: 'http://example.com/b.png' },
      { type: 'image', url: 'data:image/jpeg;base64,aGk=' },
    ]);
  });

  test.each([
    ['a blob', { content: [image({ kind: 'blob_ref', blob_key: 'k', mime: 'image/png' })] }, 'input.content.0.source.kind', 'no "blob_ref"'],
    ['audio', { content: [{ type: 'audio', source: { kind: 'url', url: 'https://example.com/a' } }] }, 'input.content.0.type', 'no audio'],
    ['a file', { content: [{ type: 'file', source: { kind: 'base64', data: 'aGk=', mime: 'application/pdf' } }] }, 'input.content.0.type', 'no files'],
    ['another type of image', { content: [image({ kind: 'base64', data: 'aGk=', mime: 'image/tiff' })] }, 'input.content.0.source.mime', 'image/webp'],
    ['what is not base64', { content: [image({ kind: 'base64', data: 'a b=', mime: 'image/png' })] }, 'input.content.0.source.data', 'base64'],
    ['half of base64', { images: ['data:image/png;base64,aGk'] }, 'input.images.0', 'base64'],
    ['no data', { images: ['data:image/png;base64,'] }, 'input.images.0', 'base64'],
    ['another address', { images: ['file:///etc/passwd'] }, 'input.images.0', 'http or https URL'],
    ['a page as an image', { images: ['data:text/html;base64,aGk='] }, 'input.images.0', 'image/png'],
  ])('may not be %s', (_what, input, path, words) => {
    expect(messages(input)).toEqual([expect.stringMatching(new RegExp(`^${path.replaceAll('.', '\\.')}: .*${words}`))]);
  });

  test('has images of 3 MiB at most', () => {
    const data = 'A'.repeat(IMAGE_BASE64_CHARS_MAX);
    expect(messages({ images: [`data:image/png;base64,${data}`] })).toEqual([]);
    expect(messages({ images: [`data:image/png;base64,${data}AAAA`] })).toEqual([expect.stringContaining('base64 characters')]);
    expect(messages({ content: [image({ kind: 'base64', data: `${data}AAAA`, mime: 'image/png' })] })).toHaveLength(1);
  });
});

describe.each([['function', lookup], ['mcp', { url: 'https://mcp.example.com' }]])('the headers of a tool of the type %s', (type, fields) => {
  const problemsOf = (headers: object) => problems(run({ tools: [{ ...fields, type, headers }] }));

  test('are what HTTP can send', () => {
    expect(problemsOf({ 'X-Key_1': 'a b\tc', 'x-latin': 'é', 'x-empty': '' })).toEqual([]);
  });

  test.each([{ 'x-a': 'b\r\nx-injected: 1' }, { 'x-a': 'b\u0000' }, { 'x-a': 'Ω' }, { 'x a': 'b' }, { '': 'b' }, { 'x:a': 'b' }, { 'x-ä': 'b' }])('are refused rather than left out: %j', (headers) => {
    expect(problemsOf(headers)).toEqual([`input.tools.0.headers.${Object.keys(headers)[0]}`]);
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

  test('of the platform may be one that was saved, which admission looks up', () => {
    expect(Tool.parse({ type: 'platform', id: 'my_tool' })).toEqual({ type: 'platform', id: 'my_tool' });
    expect(Tool.safeParse({ type: 'platform', id: 'x'.repeat(129) }).error?.issues).toMatchObject([{ path: ['id'] }]);
  });

  test('of the platform may have its id for a type, as in the first generation', () => {
    expect(Tool.parse({ type: 'web_search' })).toEqual({ type: 'platform', id: 'web_search' });
    expect(Tool.safeParse({ type: 'toString' }).success).toBe(false);
  });

  test('of an MCP server may name it in each of the historical ways', () => {
    for (const tool of [{ url: 'https://mcp.example.com' }, { server: 'https://mcp.example.com', name: 'read' }, { url: 'https://mcp.example.com', allow: ['read'], auth: { type: 'bearer', token: 't' } }]) {
      expect(Tool.parse({ type: 'mcp', ...tool })).toEqual({ type: 'mcp', ...tool });
    }
    expect(Tool.safeParse({ type: 'mcp' }).success).toBe(false);
    for (const url of ['mcp.example.com', 'ftp://mcp.example.com', '']) expect(Tool.safeParse({ type: 'mcp', url }).success).toBe(false);
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

test('a wait lasts 30 seconds unless told otherwise, and a minute at most', () => {
  expect([WaitRun.parse({}), WaitRun.parse({ timeout: '0' }), WaitRun.parse({ timeout: '60' })].map(({ timeout }) => timeout)).toEqual([30, 0, 60]);
  for (const timeout of ['61', '-1', '1.5', '1e1', ' 1', '0x10', 'soon', '', ['1', '2']]) expect(WaitRun.safeParse({ timeout }).success).toBe(false);
});
