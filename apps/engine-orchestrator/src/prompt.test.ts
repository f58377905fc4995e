import { describe, expect, test } from '@jest/globals';
import type { Engine, RunRequest, SealedTool } from '@nightshift/contracts';
import { offeredTools } from './offered-tools.ts';
import { promptOf } from './prompt.ts';
import { estimateFactor, type JournalEntry, type Session, type TurnEntry } from './session.ts';
import { TaskTree } from './task-tree.ts';

const usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };
const parameters = { type: 'object', properties: { q: { type: 'string' }, key: { type: 'string' } }, required: ['q', 'key'] };
const tool: SealedTool = { type: 'function', name: 'lookup', description: 'Looks it up.', url: 'https://secret.example.com/x', method: 'POST', parameters, retry: 'safe', timeoutMs: 1000, hidden: ['key'], sealed: 'sealed:v1:abc' };
const engine: Engine = { id: 'tim', aliases: [], upstreams: [], prices: { input: 2, output: 8 }, limits: { contextTokens: 10_000 } };
const tasksOf = (journal: readonly JournalEntry[]) => TaskTree.of(journal, { open: 'open_subtasks', conclude: 'conclude_subtask' }).tasks();
const on = { model: 'm', responseFormat: 'json_schema' } as const;
const requestOf = (session: Session, entries: readonly JournalEntry[], target: Parameters<typeof promptOf>[2] = on) => promptOf(session, entries, target, engine).request;
const sessionOf = (request: Partial<RunRequest> = {}): Session => ({
  runId: 'run_1', orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', engine: 'tim', request: { instructions: 'find it', tools: [tool], ...request }, traceparent: undefined,
  state: 'active', step: 2, pending: 0, calls: null, usage, outcome: null, frameSeq: 0, frameTail: '', upstreamFailures: 0, checkCount: 0, startedAt: new Date(0),
});
const turn = (step: number, content: string, calls: { callId: string; name?: string; arguments?: string }[], reasoning?: string): TurnEntry => ({
  kind: 'turn', step, content, ...(reasoning !== undefined && { reasoning }), usage, costMicroUsd: 0,
  calls: calls.map((call) => ({ name: 'lookup', arguments: '{"q":1}', modelCallId: `m_${call.callId}`, ...call })),
});
const result = (step: number, callId: string, content: unknown, isError = false): JournalEntry => ({ kind: 'result', step, callId, result: { isError, content, ...(isError && { errorCode: 'x' }) } });

const journal = [
  turn(0, '', [{ callId: 'a' }, { callId: 'b', arguments: 'broken' }], 'I should look'),
  // In the order in which they came, not in which they were asked for.
  result(0, 'b', 'no such page', true),
  result(0, 'a', { found: [1] }),
  turn(1, 'once more', [{ callId: 'c' }]),
  result(1, 'c', 'plain'),
];

describe('a prompt', () => {
  test('is the instructions and every turn with its results in the order of the calls', () => {
    const { messages, model } = requestOf(sessionOf(), journal, { ...on, model: 'big-model' });
    expect(model).toBe('big-model');
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool', 'tool', 'assistant', 'tool']);
    expect(messages[1]).toEqual({ role: 'user', content: 'find it' });
    expect(messages.slice(2)).toEqual([
      { role: 'assistant', content: null, tool_calls: [{ id: 'm_a', type: 'function', function: { name: 'lookup', arguments: '{"q":1}' } }, { id: 'm_b', type: 'function', function: { name: 'lookup', arguments: 'broken' } }] },
      { role: 'tool', tool_call_id: 'm_a', content: '{"found":[1]}' },
      { role: 'tool', tool_call_id: 'm_b', content: 'Error: no such page' },
      { role: 'assistant', content: 'once more', tool_calls: [expect.objectContaining({ id: 'm_c' })] },
      { role: 'tool', tool_call_id: 'm_c', content: 'plain' },
    ]);
  });

  test('is the same for the same journal, and only grows with it, so that its beginning stays cached', () => {
    expect(promptOf(sessionOf(), journal, on, engine)).toEqual(promptOf(sessionOf(), structuredClone(journal), on, engine));
    const whole = requestOf(sessionOf(), journal).messages;
    expect(requestOf(sessionOf(), journal.slice(0, 3)).messages).toEqual(whole.slice(0, 5));
    expect(requestOf(sessionOf(), []).messages).toEqual(whole.slice(0, 2));
  });

  test('changes neither the session nor the journal', () => {
    const [session, entries] = [sessionOf(), structuredClone(journal)];
    promptOf(Object.freeze(session), Object.freeze(entries), on, engine);
    expect([session, entries]).toEqual([sessionOf(), journal]);
  });

  test('offers tools without what is hidden from the model: address, credentials, defaults', () => {
    const request = requestOf(sessionOf(), []);
    expect(request.tools[0]).toEqual({ name: 'lookup', description: 'Looks it up.', parameters: { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] } });
    expect(JSON.stringify(request)).not.toMatch(/secret|sealed|key/);
  });

  test('offers the planning functions beside the run’s tools, under names that no tool has, and alone to nobody', () => {
    const names = (tools: SealedTool[]) => requestOf(sessionOf({ tools }), []).tools.map(({ name }) => name);
    expect(names([tool])).toEqual(['lookup', 'open_subtasks', 'conclude_subtask']);
    expect(names([{ ...tool, name: 'open_subtasks' }])).toEqual(['open_subtasks', 'open_subtasks_', 'conclude_subtask']);
    expect(names([])).toEqual([]);
  });

  test('says when the task alone is more than the engine takes', () => {
    expect(promptOf(sessionOf({ instructions: 'x'.repeat(30_000) }), [], on, engine).isTooLarge).toBe(true);
    expect(promptOf(sessionOf(), journal, on, engine).isTooLarge).toBe(false);
  });

  test('of the last turn asks for an answer and takes no calls', () => {
    const last = (turns: number) => promptOf(sessionOf(), journal, on, { ...engine, limits: { contextTokens: 10_000, turns } }).request;
    expect(last(3)).toMatchObject({ toolChoice: 'none', tools: last(4).tools });
    expect(last(3).messages.at(-1)).toEqual({ role: 'user', content: expect.stringMatching(/answer now/i) });
    expect(last(4)).not.toHaveProperty('toolChoice');
    expect(last(4).messages).toEqual(last(3).messages.slice(0, -1));
  });

  test('tells the model what was wrong with its answer', () => {
    const [wrong] = [turn(0, '{}', [])] as [TurnEntry];
    expect(requestOf(sessionOf(), [{ ...wrong, correction: 'n is missing' }]).messages.slice(2)).toEqual([{ role: 'assistant', content: '{}' }, { role: 'user', content: 'n is missing' }]);
  });

  test('asks for a format and a bound when the run does, and for neither otherwise', () => {
    const answerFormat = { type: 'object', properties: { n: { type: 'integer' } } };
    expect(requestOf(sessionOf({ answerFormat, maxStepTokens: 300 }), [])).toMatchObject({ maxTokens: 300, responseFormat: { type: 'json_schema', json_schema: { name: 'answer', schema: answerFormat } } });
    expect(Object.keys(requestOf(sessionOf(), [])).toSorted()).toEqual(['messages', 'model', 'tools']);
  });
});

test('images of results are shown where the engine’s row says that it takes them', () => {
  const content = { content: [{ type: 'image', source: { kind: 'base64', mime: 'image/png', data: 'AAAA' } }], is_error: false };
  const entries: JournalEntry[] = [turn(0, '', [{ callId: 'a' }]), { kind: 'result', step: 0, callId: 'a', result: { isError: false, content, format: 'tool_response' } }];
  const shown = (images?: boolean) => JSON.stringify(promptOf(sessionOf(), entries, on, { ...engine, ...(images !== undefined && { images }) }).request.messages).includes('data:image/png;base64,AAAA');
  expect([shown(true), shown(false), shown()]).toEqual([true, false, false]);
});

test('tools are offered in their order, the first of a name wins, and every kind has a name', () => {
  const mcp: SealedTool = { type: 'mcp', url: 'https://mcp.example.com', allowedTools: null };
  const listings: JournalEntry = { kind: 'listings', step: 0, listings: [{ offers: ['lookup', 'read'].map((name) => ({ name, inputSchema: {}, isRepeatable: true })) }] };
  const offered = offeredTools([mcp, tool, { ...tool, description: 'Another.' }, { type: 'platform', id: 'web_search' }], [turn(0, '', []), listings]);
  expect([...offered.keys()]).toEqual(['lookup', 'web_search', 'example_com_lookup', 'read']);
  expect(offered.get('lookup')!.offer.description).toBe('Looks it up.');
});

test('a prompt holds the content beside the instructions: text as text, images as parts that take room', () => {
  const text = { type: 'text' as const, text: 'in red' };
  const image = { type: 'image' as const, url: 'https://example.com/a.png' };
  expect(requestOf(sessionOf({ content: [text] }), []).messages[1]).toEqual({ role: 'user', content: 'find it\n\nin red' });
  const parts = [{ type: 'text', text: 'find it' }, { type: 'text', text: 'in red' }, { type: 'image_url', image_url: { url: image.url } }];
  expect(requestOf(sessionOf({ content: [text, image] }), []).messages[1]).toEqual({ role: 'user', content: parts });
  const tokens = (content: RunRequest['content']) => promptOf(sessionOf({ content }), [], on, engine).tokens;
  expect(tokens([image, image]) - tokens([image])).toBe(1600);
});

test('a prompt leaves more room where upstreams counted more tokens than were estimated, and never less', () => {
  const counted = (inputTokens: number, more: Partial<TurnEntry> = {}): TurnEntry => ({ ...turn(0, 'x', []), usage: { inputTokens, outputTokens: 1, cachedInputTokens: 0, toolCalls: {} }, context: { tokens: 4000, pruned: 0 }, ...more });
  expect([[], [counted(3600)], [counted(4400)], [counted(6400), counted(4040)], [counted(90_000)], [counted(20_000, { estimated: ['input'] })], [counted(2000, { context: { tokens: 400, pruned: 0 } })]].map(estimateFactor)).toEqual([1, 1, 1.25, 1.75, 4, 1, 1]);
  const long = Array.from({ length: 40 }, (_, step) => turn(step, 'y'.repeat(1000), []));
  const shown = (first: TurnEntry) => requestOf(sessionOf(), [first, ...long.slice(1)]).messages.length;
  expect(shown(counted(8000))).toBeLessThan(shown(counted(4000)));
});

test('a task that fits by itself is never too large because of what upstreams counted', () => {
  const session = sessionOf({ instructions: 'x'.repeat(26_000) });
  const counted: TurnEntry = { ...turn(0, 'x', []), usage: { ...usage, inputTokens: 8000 }, context: { tokens: 6700, pruned: 0 } };
  expect([promptOf(session, [counted], on, engine).isTooLarge, promptOf(sessionOf({ instructions: 'x'.repeat(40_000) }), [], on, engine).isTooLarge]).toEqual([false, true]);
});

test('a reply has at most the tokens that the engine and the key allow, whatever the request asks for', () => {
  const limited = (request: Partial<RunRequest>, outputTokens?: number) => promptOf(sessionOf(request), [], on, { ...engine, limits: { contextTokens: 100_000, ...(outputTokens !== undefined && { outputTokens }) } }).request;
  expect([limited({}), limited({ maxStepTokens: 20_000 }), limited({ maxStepTokens: 20_000 }, 500), limited({ limits: { outputTokens: 500 } }, 500)].map(({ maxTokens }) => maxTokens)).toEqual([undefined, 20_000, 500, 500]);
});

describe('the steps that clients see', () => {
  test('are one task for each call, with its parameters and its result', () => {
    expect(tasksOf(journal)).toEqual([
      { title: 'Call lookup', thought: 'I should look', tooluse: { tool_name: 'lookup', tool_call_id: 'a', parameters: { q: 1 }, tool_result: { found: [1] } } },
      { title: 'Call lookup', tooluse: { tool_name: 'lookup', tool_call_id: 'b', parameters: {}, tool_result: { error: 'no such page' } } },
      { title: 'Call lookup', thought: 'once more', tooluse: { tool_name: 'lookup', tool_call_id: 'c', parameters: { q: 1 }, tool_result: 'plain' } },
    ]);
  });

  test('hold the thoughts of the last turn, and nothing for a turn without any', () => {
    expect(tasksOf([turn(0, 'the answer', [], 'because')])).toEqual([{ title: 'Answer', thought: 'because' }]);
    expect(tasksOf([turn(0, 'the answer', [])])).toEqual([]);
  });

  test('show a call whose result has not come without one', () => {
    expect(tasksOf([turn(0, '', [{ callId: 'a' }])])).toEqual([{ title: 'Call lookup', tooluse: { tool_name: 'lookup', tool_call_id: 'a', parameters: { q: 1 } } }]);
  });
});
