import { describe, expect, test } from '@jest/globals';
import { AgentChat, AppError, ChatCompletion, CreateRun, type RunView } from '@nightshift/contracts';
import { completionOf, failureOf, inChatTerms, runOf } from './agent-chat.ts';

const chat = (more: object = {}) => AgentChat.parse({ model: 'tim', messages: [{ role: 'user', content: 'do it' }], ...more });
const run = (more: object = {}) => CreateRun.parse(runOf(chat(more)));
const problems = (more: object) => AgentChat.safeParse({ model: 'tim', messages: [{ role: 'user', content: 'do it' }], ...more }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

describe('a chat request to an engine', () => {
  test('is a run on that engine', () => {
    expect(runOf(chat())).toEqual({ engine: 'tim', input: { instructions: 'do it', content: [], tools: [] } });
    expect(run({ metadata: { ticket: '7' }, callbackUrl: 'https://example.com/hook' })).toMatchObject({ input: { metadata: { ticket: '7' } }, output: { callbackUrl: 'https://example.com/hook' } });
  });

  test('keeps null for absent, as clients send it', () => {
    const absent = { tools: null, tool_choice: null, response_format: null, max_tokens: null, n: null, metadata: null, stream: null, callbackUrl: null };
    expect(runOf(chat(absent))).toEqual(runOf(chat()));
  });

  test('has its tools called by the server, whichever way they are written', () => {
    const tools = [
      { type: 'function', function: { name: 'nested', url: 'https://example.com/a', parameters: { type: 'object' } } },
      { type: 'function', name: 'flat', url: 'https://example.com/b' },
      { type: 'web_search' },
      { type: 'platform', id: 'calculator' },
      { type: 'mcp', server: 'https://mcp.example.com' },
    ];
    expect(run({ tools }).input.tools.map((tool) => [tool.type, 'name' in tool ? tool.name : 'id' in tool ? tool.id : tool.server])).toEqual([
      ['function', 'nested'], ['function', 'flat'], ['platform', 'web_search'], ['platform', 'calculator'], ['mcp', 'https://mcp.example.com'],
    ]);
    expect(run({ tools, tool_choice: 'auto' }).input.tools).toHaveLength(5);
    expect(run({ tools, tool_choice: 'none' }).input.tools).toEqual([]);
  });

  test.each([{ type: 'function', function: { name: 'mine', parameters: {} } }, { type: 'function', name: 'mine' }])('that has a tool for its own program is refused with what to do: %j', (tool) => {
    expect(problems({ tools: [{ type: 'web_search' }, tool] })).toEqual([expect.stringMatching(/^tools\.1\.url: .*"url".*"\/"/)]);
  });

  test.each([
    ['required', 'tool_choice'],
    [{ type: 'function', function: { name: 'x' } }, 'tool_choice'],
    [2, 'n'],
    [{ type: 'xml' }, 'response_format'],
  ])('that asks for what agents cannot do is refused: %j for %s', (value, field) => {
    expect(problems({ [field]: value })).toEqual([expect.stringContaining(field)]);
  });

  test.each([
    ['no message of the user', [{ role: 'system', content: 'x' }]],
    ['an answer at the end', [{ role: 'user', content: 'x' }, { role: 'assistant', content: 'y' }]],
    ['the result of a call at the end', [{ role: 'user', content: 'x' }, { role: 'tool', tool_call_id: 'c', content: 'y' }]],
    ['no words', [{ role: 'user', content: ' ' }]],
    ['no words but an image', [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }]],
    ['an unknown role', [{ role: 'function', content: 'x' }, { role: 'user', content: 'x' }]],
    ['sound', [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }]],
    ['no messages', []],
  ])('is refused with %s', (_, messages) => {
    expect(problems({ messages })?.every((problem) => problem.startsWith('messages'))).toBe(true);
  });

  test('has its format as that of the answer', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } } };
    expect(run({ response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } } }).input.answerFormat).toEqual(schema);
    expect(run({ response_format: { type: 'json_object' } }).input.answerFormat).toEqual({ type: 'object' });
    expect(run({ response_format: { type: 'text' } }).input).not.toHaveProperty('answerFormat');
  });

  test('bounds the tokens of each step as far as a run can', () => {
    const steps = [{ max_tokens: 10 }, { max_tokens: 1000 }, { max_completion_tokens: 100_000 }, { max_tokens: 300, max_completion_tokens: 400 }, {}];
    expect(steps.map((more) => run(more).options?.max_step_tokens)).toEqual([256, 1000, 20_000, 400, undefined]);
  });
});

test('what is wrong with a run is told by the names of the chat request', () => {
  const told = inChatTerms(new AppError('invalid_request', { details: { fields: { engine: 'a', 'input.tools.3.url': 'b', 'input.answerFormat': 'c', 'input.content.1.source.mime': 'd', 'output.callbackUrl': 'e' } } }));
  expect(told).toMatchObject({
    code: 'invalid_request', message: 'model: a; tools.3.url: b; response_format: c; messages: d; callbackUrl: e',
    details: { fields: { model: 'a', 'tools.3.url': 'b', response_format: 'c', messages: 'd', callbackUrl: 'e' } },
  });
  for (const other of [new AppError('conflict'), new Error('other'), new AppError('invalid_request', { message: 'Idempotency-Key' })]) expect(inChatTerms(other)).toBe(other);
});

const view: RunView = { runId: 'run_1', status: 'succeeded', engine: 'tim-large', createdAt: '2026-11-22T10:00:00.900Z', updatedAt: '2026-11-22T10:00:09.000Z' };
const usage = { inputTokens: 7, outputTokens: 3, durationMs: 9, toolCalls: {} };

describe('a run as a completion', () => {
  test('has the document as its content: steps first, then the answer, also a structured one', () => {
    const completion = completionOf({ ...view, usage, result: { answer: { n: 1 }, reasoning: [{ title: 'Count' }] } });
    expect(ChatCompletion.parse(completion)).toEqual({
      id: 'chatcmpl-run_1', object: 'chat.completion', created: Date.UTC(2026, 10, 22, 10) / 1000, model: 'tim-large',
      choices: [{ index: 0, message: { role: 'assistant', content: '{"reasoning":[{"title":"Count"}],"answer":{"n":1}}' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    });
  });

  test('shows no reasoning that the run does not show', () => {
    expect(completionOf({ ...view, result: { answer: 'x' } }).choices[0]?.message.content).toBe('{"answer":"x"}');
  });
});

test.each([
  ['failed', { code: 'turn_limit', message: 'Too many turns.' }, 500, 'turn_limit', 'Too many turns.'],
  ['timed_out', { code: 'queue_timeout', message: 'Too late.' }, 504, 'queue_timeout', 'Too late.'],
  ['canceled', undefined, 409, 'canceled', 'The run was canceled.'],
  ['running', undefined, 503, 'service_unavailable', expect.stringContaining('run_1')],
] as const)('a run that is %s is an error with its own code', (status, error, httpStatus, code, message) => {
  const failure = failureOf({ ...view, status, ...(error && { error }) });
  expect([failure.status, failure.wireCode, failure.message]).toEqual([httpStatus, code, message]);
});
