import { describe, expect, test } from '@jest/globals';
import { AppError, DEFAULT_ENGINES, EnginesFile, ERRORS, findEngine, plainModelOf, plainModels, wireCode } from '@nightshift/contracts';

const file = {
  upstreams: { main: { kind: 'openai', baseUrl: 'https://models.example.com/v1', apiKeyEnv: 'MAIN_KEY', concurrency: 8 } },
  engines: [{ id: 'tim', aliases: ['tim-old'], upstreams: [{ name: 'main', model: 'big' }], prices: { input: 2, cachedInput: 0.5, output: 8 }, limits: { contextTokens: 128_000, turns: 50, toolCalls: 100 } }],
};
type EnginesText = typeof file;
const changed = (change: (copy: EnginesText) => void): unknown => {
  const copy = structuredClone(file);
  change(copy);
  return copy;
};
const problems = (value: unknown) => EnginesFile.safeParse(value).error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? [];

describe('the file of engines', () => {
  test('is taken as operators write it', () => {
    expect(EnginesFile.parse(file)).toEqual(file);
    expect(problems(changed(({ engines: [engine] }) => delete (engine as Partial<typeof engine>)?.aliases))).toEqual([]);
  });

  test('may say how each upstream is to be treated', () => {
    const more = { kind: 'anthropic', requestsPerMinute: 60, tokensPerMinute: 100_000, responseFormat: 'json_object', firstByteTimeoutMs: 60_000, idleTimeoutMs: 30_000, breaker: { failures: 3, openMs: 500 } };
    const full = changed((copy) => {
      Object.assign(copy.upstreams.main, more);
      Object.assign(copy.engines[0]!.upstreams[0]!, { reasoningEffort: 'low' });
      Object.assign(copy.engines[0]!, { images: true });
    });
    expect(EnginesFile.parse(full)).toEqual(full);
  });

  test('names every upstream that an engine uses', () => {
    expect(problems(changed(({ engines: [engine] }) => void (engine!.upstreams[0]!.name = 'other')))).toEqual(['engines.0.upstreams: there is no upstream "other"']);
    expect(problems(changed(({ engines: [engine] }) => void (engine!.upstreams = [])))).toHaveLength(1);
    expect(problems(changed(({ engines: [engine] }) => void (engine!.upstreams[0]!.name = 'constructor')))).toHaveLength(1);
  });

  test('gives a name to one engine only', () => {
    expect(problems(changed(({ engines }) => void engines.push({ ...engines[0]!, id: 'tim-old', aliases: [] })))).toEqual(['engines.1: "tim-old" is named twice']);
  });

  test.each<[string, (copy: EnginesText) => void]>([
    ['upstreams.main.kind', ({ upstreams }) => void (upstreams.main.kind = 'google')],
    ['upstreams.main.baseUrl', ({ upstreams }) => void (upstreams.main.baseUrl = 'models.example.com')],
    ['upstreams.main.concurrency', ({ upstreams }) => void (upstreams.main.concurrency = 0)],
    ['engines.0.prices.input', ({ engines }) => void (engines[0]!.prices.input = -1)],
    ['engines.0.limits.contextTokens', ({ engines }) => void (engines[0]!.limits.contextTokens = 0)],
    ['engines', (copy) => void (copy.engines = [])],
  ])('names the place of what is wrong: %s', (path, change) => {
    expect(problems(changed(change)).map((problem) => problem.split(':')[0])).toEqual([path]);
  });
});

describe('an engine', () => {
  test('is found by its id and by its aliases, and by nothing else', () => {
    expect(findEngine(DEFAULT_ENGINES, 'tim-large')?.id).toBe('tim-gpt');
    expect(findEngine(DEFAULT_ENGINES, 'timini')?.id).toBe('timini');
    for (const name of ['', 'TIM', 'tim ', 'gpt-5']) expect(findEngine(DEFAULT_ENGINES, name)).toBeUndefined();
  });

  test.each(['subconscious/tim-qwen3.6-27b', 'subconscious/glm-5.2', 'subconscious/deepseek-v4-flash-marathon'])('of the catalogue that comes with us is a model for clients of the later API: %s', (name) => {
    expect(plainModelOf(DEFAULT_ENGINES, undefined, name)).toMatchObject({ model: undefined });
  });

  test('of the catalogue that comes with us has a name of its own, and a price', () => {
    const names = DEFAULT_ENGINES.flatMap(({ id, aliases }) => [id, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const { prices } of DEFAULT_ENGINES) expect(Math.min(prices.input, prices.output)).toBeGreaterThan(0);
  });
});

test('every error code has the status that clients rely on', () => {
  expect(Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status]))).toEqual({
    invalid_request: 400, authentication_failed: 401, permission_denied: 403, model_not_found: 404, not_found: 404, conflict: 409, canceled: 409, request_too_large: 413, rate_limited: 429, internal_error: 500, run_failed: 500, service_unavailable: 503, timeout: 504,
  });
  expect([wireCode('request_too_large'), wireCode('conflict')]).toEqual(['invalid_request', 'conflict']);
  expect([new AppError('request_too_large').wireCode, new AppError('run_failed', { wireCode: 'turn_limit' }).wireCode]).toEqual(['invalid_request', 'turn_limit']);
});

describe('a model that is called plainly', () => {
  const { engines } = EnginesFile.parse({
    upstreams: { one: { kind: 'openai', baseUrl: 'http://127.0.0.1/v1' } },
    engines: [
      { id: 'agent', aliases: ['agent/alias'], upstreams: [{ name: 'one', model: 'real' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 1 } },
      { id: 'acme/chat', upstreams: [{ name: 'one', model: 'real' }, { name: 'one', model: 'org/other' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 1 } },
      { id: 'both', upstreams: [{ name: 'one', model: 'both' }], prices: { input: 1, output: 1 }, limits: { contextTokens: 1 } },
    ],
  });

  test.each([
    ['acme/chat', { engine: 'acme/chat', model: undefined }],
    ['agent/alias', { engine: 'agent', model: undefined }],
    ['real', { engine: 'agent', model: 'real' }],
    ['org/other', { engine: 'acme/chat', model: 'org/other' }],
    ['both', { engine: 'both', model: 'both' }],
  ])('is an id with a slash that the catalogue holds, or a model of an upstream: %s', (name, expected) => {
    const plain = plainModelOf(engines, undefined, name);
    expect({ engine: plain?.engine.id, model: plain?.model }).toEqual(expected);
  });

  test('is no engine, and nothing that nobody configured', () => {
    expect(['agent', 'acme/unknown', '', 'constructor'].map((name) => plainModelOf(engines, undefined, name))).toEqual([undefined, undefined, undefined, undefined]);
    const agents = DEFAULT_ENGINES.filter(({ id }) => !id.includes('/'));
    expect(agents.map(({ id }) => plainModelOf(DEFAULT_ENGINES, 'gpt-x', id))).toEqual(agents.map(() => undefined));
  });

  test('is the model of the one upstream that the operator named', () => {
    expect(plainModelOf(DEFAULT_ENGINES, 'gpt-x', 'gpt-x')).toMatchObject({ model: 'gpt-x' });
    expect(plainModels(DEFAULT_ENGINES, 'gpt-x')).toEqual(['gpt-x']);
    expect(plainModels(engines, undefined)).toEqual(['real', 'org/other', 'both']);
  });
});
