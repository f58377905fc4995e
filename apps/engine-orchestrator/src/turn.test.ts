import { describe, expect, test } from '@jest/globals';
import { type Engine, type RunRequest, type SealedTool, StepUsage } from '@nightshift/contracts';
import fc from 'fast-check';
import type { ModelReply, ModelToolCall } from './model.ts';
import type { JournalEntry, Session, TurnEntry } from './session.ts';
import { commandOf, costMicroUsd, missingCommands, next } from './turn.ts';

const tool = (name: string): SealedTool => ({ type: 'function', name, url: `https://example.com/${name}`, method: 'POST', parameters: { type: 'object', properties: {} }, retry: 'safe', timeoutMs: 1000, hidden: [] });
const engine: Engine = { id: 'tim', aliases: [], upstreams: [], prices: { input: 2, cachedInput: 0.5, output: 8 }, limits: { contextTokens: 1000, turns: 10 } };
const none = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };
const sessionOf = (more: Partial<Session> = {}, request: Partial<RunRequest> = {}): Session => ({
  runId: 'run_1',
  orgId: 'org_1',
  apiKeyId: 'key_1',
  pool: 'shared',
  engine: 'tim',
  request: { instructions: 'do it', tools: [tool('lookup'), tool('store'), { type: 'platform', id: 'web_search' }], ...request },
  traceparent: undefined,
  state: 'active',
  step: 0,
  pending: 0,
  calls: null,
  usage: none,
  outcome: null, frameSeq: 0, frameTail: '',
  upstreamFailures: 0,
  checkCount: 0,
  startedAt: new Date(0),
  ...more,
});
const reply = (more: Partial<ModelReply> = {}): ModelReply => ({ content: '', toolCalls: [], finishReason: 'stop', usage: { inputTokens: 10, outputTokens: 5, cachedInputTokens: 2, estimated: [] }, model: 'm', ...more }) as ModelReply;
const calls = (...list: Partial<ModelToolCall>[]) => reply({ finishReason: 'tool_calls', toolCalls: list.map((call, index) => ({ id: `c${index}`, name: 'lookup', arguments: '{}', ...call })) });
const ids = (count: number) => Array.from({ length: count }, (_, index) => `call_${index}`);
const after = (session: Session, said: ModelReply, journal: readonly JournalEntry[] = []) => next(session, journal, said, engine, ids(said.toolCalls.length));

describe('an answer', () => {
  test('ends the run with the text, the steps so far and the usage of all turns', () => {
    const first = after(sessionOf(), calls({ name: 'lookup', arguments: '{"q":1}' }));
    const journal: JournalEntry[] = [first.entry, { kind: 'result', step: 0, callId: 'call_0', result: { isError: false, content: 'found' } }];
    const end = after(sessionOf({ step: 1, usage: first.usage }), reply({ content: 'the answer' }), journal);
    expect(end).toMatchObject({ commands: [], results: [], entry: { kind: 'turn', step: 1, content: 'the answer', calls: [] } });
    expect(end.outcome).toEqual({ status: 'succeeded', result: { answer: 'the answer', reasoning: [{ title: 'Call lookup', tooluse: { tool_name: 'lookup', tool_call_id: 'call_0', parameters: { q: 1 }, tool_result: 'found' } }] } });
    expect(end.usage).toEqual({ inputTokens: 20, outputTokens: 10, cachedInputTokens: 4, toolCalls: { lookup: 1 } });
  });

  const format = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };

  test('in a format is parsed and cleaned, also out of a Markdown fence', () => {
    const answer = (content: string, answerFormat: Record<string, unknown> = format) => (after(sessionOf({}, { answerFormat }), reply({ content })).outcome as { result?: { answer: unknown } }).result?.answer;
    expect([answer('{"n":1}'), answer('```json\n{"n":2}\n```'), answer('"nul \\u0000 lone \\ud800"', {})]).toEqual([{ n: 1 }, { n: 2 }, 'nul  lone \ufffd']);
  });

  test.each([['no json', /JSON/], ['{"n":"one"}', /#\/n/], ['{}', /`n` is missing/]])('that does not have its format (%s) is asked for again, with what is wrong', (content, words) => {
    const end = after(sessionOf({}, { answerFormat: format }), reply({ content }));
    expect(end).toMatchObject({ outcome: undefined, commands: [], entry: { content, correction: expect.stringMatching(words) } });
  });

  test('that is wrong when a limit is reached fails the run at once', () => {
    expect(next(sessionOf({ step: 9 }, { answerFormat: format }), [], reply({ content: '{}' }), engine, []).outcome).toMatchObject({ error: { code: 'invalid_answer' } });
  });

  test('that is wrong in ways that cannot be stored is still asked for again', () => {
    const { entry } = after(sessionOf({}, { answerFormat: format }), reply({ content: '🎉 Here it is' }));
    expect(entry.correction?.isWellFormed()).toBe(true);
    expect(after(sessionOf({}, { answerFormat: format }), reply({ content: `\`\`\`${'\n'.repeat(200_000)}x` })).entry.correction).toMatch(/JSON/);
  });

  test('that is wrong for the third time fails the run, and says what was wrong', () => {
    const session = (step: number) => sessionOf({ step }, { answerFormat: format });
    const journal: JournalEntry[] = [];
    for (const step of [0, 1]) journal.push(after(session(step), reply({ content: '{}' }), journal).entry);
    expect(after(session(2), reply({ content: '{"n":3}' }), journal).outcome).toMatchObject({ status: 'succeeded', result: { answer: { n: 3 } } });
    expect(after(session(2), reply({ content: '{}' }), journal).outcome).toEqual({
      status: 'failed', error: { code: 'invalid_answer', message: expect.stringContaining('3 tries'), details: { errors: [expect.stringContaining('`n` is missing')] } },
    });
  });

  test.each([
    ['content_filtered', reply({ content: 'half', finishReason: 'content_filter' })],
    ['output_truncated', reply({ content: 'half', finishReason: 'length' })],
    ['empty_answer', reply({ content: ' \n' })],
  ])('that is none fails the run with %s, and is still paid for', (code, said) => {
    const end = after(sessionOf(), said);
    expect(end.outcome).toMatchObject({ status: 'failed', error: { code, message: expect.stringMatching(/.{20}/) } });
    expect([end.usage.outputTokens, end.entry.usage.outputTokens]).toEqual([5, 5]);
  });
});

describe('tool calls', () => {
  test('say how many bytes of results the run may gather', () => {
    const limited = next(sessionOf(), [], calls({}), { ...engine, limits: { contextTokens: 1000, resultBytes: 7000 } }, ids(1));
    expect([limited.resultBytesMax, after(sessionOf(), calls({})).resultBytesMax]).toEqual([7000, 33_554_432]);
  });

  test('become commands side by side, each with an id of its own', () => {
    const end = after(sessionOf(), calls({ name: 'lookup', arguments: '{"q":1}' }, { name: 'store', arguments: '' }, { name: 'web_search', arguments: '{"query":"x"}' }));
    expect(end.outcome).toBeUndefined();
    expect(end.commands).toEqual([
      { callId: 'call_0', tool: tool('lookup'), arguments: { q: 1 } },
      { callId: 'call_1', tool: tool('store'), arguments: {} },
      { callId: 'call_2', tool: { type: 'platform', id: 'web_search' }, arguments: { query: 'x' } },
    ]);
    expect(end.entry.calls.map(({ callId, modelCallId, name }) => [callId, modelCallId, name])).toEqual([['call_0', 'c0', 'lookup'], ['call_1', 'c1', 'store'], ['call_2', 'c2', 'web_search']]);
    expect(end.usage.toolCalls).toEqual({ lookup: 1, store: 1, web_search: 1 });
  });

  test('of a tool that does not exist are answered at once with the names of those that do', () => {
    const end = after(sessionOf(), calls({ name: 'guess' }));
    expect([end.commands, end.outcome, end.usage.toolCalls]).toEqual([[], undefined, {}]);
    expect(end.results).toEqual([{ kind: 'result', step: 0, callId: 'call_0', result: { isError: true, errorCode: 'unknown_tool', content: 'there is no tool "guess"; the tools are: lookup, store, web_search' } }]);
  });

  test.each(['{"q":', '[1]', '"q"', 'null'])('with the arguments %s are answered at once with what is wrong', (text) => {
    const end = after(sessionOf(), calls({ arguments: text }, { name: 'store' }));
    expect(end.results).toMatchObject([{ callId: 'call_0', result: { isError: true, errorCode: 'invalid_arguments' } }]);
    expect(end.commands.map(({ callId }) => callId)).toEqual(['call_1']);
  });

  test('of a reply that was cut off are made, but for the last one, whose arguments may lack something', () => {
    const end = after(sessionOf(), { ...calls({}, { arguments: '' }), finishReason: 'length' });
    expect(end.commands.map(({ callId }) => callId)).toEqual(['call_0']);
    expect(end.results).toMatchObject([{ callId: 'call_1', result: { isError: true, errorCode: 'invalid_arguments', content: expect.stringContaining('cut off') } }]);
  });

  test('of a reply that the content filter ended are not made', () => {
    expect(after(sessionOf(), { ...calls({}), finishReason: 'content_filter' })).toMatchObject({ commands: [], outcome: { status: 'failed', error: { code: 'content_filtered' } } });
  });

  test('with text that cannot be stored are cleaned', () => {
    expect(after(sessionOf(), calls({ arguments: '{"q":"nul \\u0000 lone \\ud800"}' })).commands[0]!.arguments).toEqual({ q: 'nul  lone \ufffd' });
  });

  test('without an id, or with the same one twice, keep apart', () => {
    const end = after(sessionOf(), calls({ id: '' }, { id: 'same' }, { id: 'same' }, { id: '' }));
    const given = end.entry.calls.map(({ modelCallId }) => modelCallId);
    expect(new Set(given).size).toBe(4);
    expect(given[1]).toBe('same');
  });

  test('are made up to a bound in one turn', () => {
    const many = calls(...Array.from({ length: 128 }, () => ({})));
    expect(after(sessionOf(), many).commands).toHaveLength(64);
  });

  test('in the last turn that the engine allows end the run', () => {
    expect(after(sessionOf({ step: 8 }), calls({})).outcome).toBeUndefined();
    expect(after(sessionOf({ step: 9 }), calls({}))).toMatchObject({ commands: [], outcome: { status: 'failed', error: { code: 'turn_limit', message: expect.stringContaining('10') } } });
    expect(after(sessionOf({ step: 9 }), reply({ content: 'just in time' })).outcome?.status).toBe('succeeded');
    expect(next(sessionOf({ step: 99 }), [], calls({}), { ...engine, limits: { contextTokens: 1 } }, ids(1)).outcome).toMatchObject({ error: { code: 'turn_limit' } });
  });

  test('beyond those that the engine allows a run are not made, and going on calling ends it', () => {
    const strict: Engine = { ...engine, limits: { contextTokens: 1000, toolCalls: 3 } };
    const used = (count: number) => sessionOf({ usage: { ...none, toolCalls: { lookup: count } } });
    const end = next(used(1), [], calls({}, {}, {}), strict, ids(3));
    expect([end.commands.map(({ callId }) => callId), end.results.map(({ callId, result }) => [callId, result.errorCode])]).toEqual([['call_0', 'call_1'], [['call_2', 'tool_call_limit']]]);
    expect(next(used(4), [], calls({}), strict, ids(1))).toMatchObject({ commands: [], outcome: { status: 'failed', error: { code: 'tool_call_limit', message: expect.stringContaining('3') } } });
    expect(next(used(4), [], reply({ content: 'enough' }), strict, []).outcome?.status).toBe('succeeded');
  });

  test.each([['input_token_limit', { runInputTokens: 100 }], ['output_token_limit', { runOutputTokens: 50 }]])('after the tokens of a run are used up end it with %s', (code, limits) => {
    const session = sessionOf({ usage: { ...none, inputTokens: 100, outputTokens: 50 } });
    expect(next(session, [], calls({}), { ...engine, limits: { contextTokens: 1000, ...limits } }, ids(1)).outcome).toMatchObject({ error: { code } });
  });

  test('that failed in two turns running are not made again, and end the run when the model insists', () => {
    const journal: JournalEntry[] = [];
    const ask = (args: string) => {
      const step = journal.filter(({ kind }) => kind === 'turn').length;
      const end = next(sessionOf({ step }), journal, calls({ arguments: args }, { arguments: `{"other":${step}}` }), { ...engine, limits: { contextTokens: 1000 } }, [`a${step}`, `b${step}`]);
      journal.push(end.entry, ...end.results, ...end.commands.map(({ callId }): JournalEntry => ({ kind: 'result', step, callId, result: { isError: true, content: 'no' } })));
      return end.outcome?.status === 'failed' ? end.outcome.error.code : end.commands.length;
    };
    expect(['1', '1', '1', '2', '1', '1', '1', '1', '1', '1'].map((q) => ask(`{"q":${q}}`))).toEqual([2, 2, 1, 2, 2, 2, 1, 1, 1, 'repeated_failure']);
  });

  test('whose arguments do not match the tool’s parameters are answered at once with what is wrong, and not made', () => {
    const strict = { ...tool('lookup'), parameters: { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] } } as SealedTool;
    const end = after(sessionOf({}, { tools: [strict] }), calls({ arguments: '{"q":7}' }, { arguments: '{}' }, { arguments: '{"q":"x"}' }));
    expect(end.results.map(({ callId, result }) => [callId, result.errorCode, result.content])).toEqual([
      ['call_0', 'invalid_arguments', expect.stringMatching(/so the call was not made:\n- .*#\/q/)],
      ['call_1', 'invalid_arguments', expect.stringMatching(/`q` is missing/)],
    ]);
    expect(end.commands.map(({ callId }) => callId)).toEqual(['call_2']);
  });

  test('are counted by name when they are made, and not when they are refused', () => {
    const named = sessionOf({}, { tools: [tool('constructor'), tool('toString'), tool('valueOf')] });
    const first = after(named, calls({ name: 'constructor' }, { name: 'toString' }, { name: 'constructor' }, { name: 'guess' }, { name: 'toString', arguments: '{' }));
    expect([first.usage.toolCalls, first.entry.usage.toolCalls]).toEqual([{ constructor: 2, toString: 1 }, { constructor: 2, toString: 1 }]);
    const second = after({ ...named, step: 1, usage: first.usage }, calls({ name: 'constructor' }, { name: 'valueOf' }));
    expect(second.usage.toolCalls).toEqual({ constructor: 3, toString: 1, valueOf: 1 });
    expect(StepUsage.safeParse(second.usage).success).toBe(true);
  });

  test('that are refused leave the calls that a run may make as they were', () => {
    const strict: Engine = { ...engine, limits: { contextTokens: 1000, toolCalls: 2 } };
    const refused = next(sessionOf(), [], calls({ name: 'guess' }, { name: 'guess' }, { arguments: '{' }), strict, ids(3));
    expect(refused.usage.toolCalls).toEqual({});
    expect(next(sessionOf({ step: 1, usage: refused.usage }), [], calls({}, {}, {}), strict, ids(3)).commands).toHaveLength(2);
    const over = next(sessionOf({ usage: { ...none, toolCalls: { lookup: 1 } } }), [], calls({}, {}), strict, ids(2));
    expect(over.usage.toolCalls).toEqual({ lookup: 2 });
  });

  test('each have exactly one command or one result, whatever the model sends', () => {
    const anyCall = fc.record({ id: fc.constantFrom('', 'a', 'b'), name: fc.constantFrom('lookup', 'store', 'guess', '', '__proto__', 'constructor'), arguments: fc.oneof(fc.json(), fc.string(), fc.constant('{"a":1}')) });
    fc.assert(
      fc.property(fc.array(anyCall, { minLength: 1, maxLength: 70 }), (list) => {
        const end = after(sessionOf(), calls(...list));
        const answered = [...end.commands.map(({ callId }) => callId), ...end.results.map(({ callId }) => callId)];
        expect(Object.values(end.usage.toolCalls).reduce((sum, count) => sum + count, 0)).toBe(end.commands.length);
        expect(answered.toSorted()).toEqual(end.entry.calls.map(({ callId }) => callId).toSorted());
        expect(new Set(end.entry.calls.map(({ modelCallId }) => modelCallId)).size).toBe(end.entry.calls.length);
      }),
    );
  });
});

describe('results that are overdue', () => {
  const turn = after(sessionOf(), calls({ name: 'lookup', arguments: '{"q":1}' }, { name: 'guess' }, { name: 'store' }));
  const session = sessionOf({ step: 1 });
  const journal: JournalEntry[] = [turn.entry, ...turn.results];

  test('are asked for as they were, under the same ids, also when they would not be made any more', () => {
    expect(missingCommands(session, journal)).toEqual(turn.commands);
    const stricter = sessionOf({ step: 1 }, { tools: [{ ...tool('lookup'), parameters: { type: 'object', required: ['other'] } } as SealedTool, tool('store')] });
    expect(missingCommands(stricter, journal).map(({ callId }) => callId)).toEqual(['call_0', 'call_2']);
  });

  test('are those that have not come, of the last turn alone', () => {
    const came: JournalEntry = { kind: 'result', step: 0, callId: 'call_0', result: { isError: false, content: 1 } };
    expect(missingCommands(session, [...journal, came]).map(({ callId }) => callId)).toEqual(['call_2']);
    const later: TurnEntry = { ...turn.entry, step: 1, calls: [] };
    expect(missingCommands(session, [...journal, later])).toEqual([]);
    expect(missingCommands(session, [])).toEqual([]);
  });

  test('can be looked up one by one; a call that was never commanded has none', () => {
    expect(commandOf(session, journal, 'call_2')).toEqual(turn.commands[1]);
    expect([commandOf(session, journal, 'call_1'), commandOf(session, journal, 'call_9')]).toEqual([undefined, undefined]);
  });
});

test('a turn costs its tokens at the engine’s prices, in whole millionths of a dollar', () => {
  expect(costMicroUsd({ inputTokens: 10, cachedInputTokens: 4, outputTokens: 5, toolCalls: {} }, engine)).toBe(6 * 2 + 4 * 0.5 + 5 * 8);
  expect(costMicroUsd({ inputTokens: 1, cachedInputTokens: 3, outputTokens: 0, toolCalls: {} }, { ...engine, prices: { input: 2, output: 8 } })).toBe(6);
  expect(Number.isInteger(costMicroUsd({ inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, toolCalls: {} }, { ...engine, prices: { input: 0.33, output: 0.1 } }))).toBe(true);
});
