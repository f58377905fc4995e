import { describe, expect, test } from '@jest/globals';
import type { Engine, RunRequest, SealedTool } from '@nightshift/contracts';
import { answerOfCall, answerOffer } from './answer-function.ts';
import type { Target } from './catalogue.ts';
import type { ModelReply } from './model.ts';
import { promptOf } from './prompt.ts';
import type { JournalEntry, Session } from './session.ts';
import { missingCommands, next } from './turn.ts';

const tool = (name: string): SealedTool => ({ type: 'function', name, url: 'https://example.com', method: 'POST', parameters: { type: 'object', properties: {} }, retry: 'safe', timeoutMs: 1000, hidden: [] });
const engine: Engine = { id: 'tim', aliases: [], upstreams: [], prices: { input: 1, output: 1 }, limits: { contextTokens: 10_000, turns: 10 } };
const format = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const sessionOf = (request: Partial<RunRequest> = {}, step = 0): Session => ({
  runId: 'run_1', orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', engine: 'tim', traceparent: undefined, state: 'active', step, pending: 0, calls: null,
  usage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} }, outcome: null, frameSeq: 0, frameTail: '', upstreamFailures: 0, checkCount: 0, startedAt: new Date(0),
  request: { instructions: 'do it', tools: [tool('lookup')], answerFormat: format, ...request },
});
const calling = (...calls: [name: string, args: string][]): ModelReply => ({
  content: '', finishReason: 'tool_calls', usage: { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0, estimated: [] }, model: 'm',
  toolCalls: calls.map(([name, args], index) => ({ id: `c${index}`, name, arguments: args })),
});
const after = (session: Session, said: ModelReply, journal: readonly JournalEntry[] = []) => next(session, journal, said, engine, said.toolCalls.map((_, index) => `call_${session.step}_${index}`));
const asked = (request: Partial<RunRequest>, responseFormat: Target['responseFormat'], step = 0) => promptOf(sessionOf(request, step), [], { model: 'm', responseFormat }, engine).request;

describe('a format that an upstream cannot be told', () => {
  test('is offered as a function beside the tools; the upstream that can be told it gets it as it is', () => {
    expect(asked({}, 'json_schema')).toMatchObject({ responseFormat: { type: 'json_schema', json_schema: { schema: format } } });
    expect(asked({}, 'json_schema').tools.map(({ name }) => name)).toEqual(['lookup', 'open_subtasks', 'conclude_subtask']);
    for (const known of ['none', 'json_object'] as const) {
      const { tools, messages, toolChoice } = asked({}, known);
      expect(tools.map(({ name }) => name)).toEqual(['lookup', 'open_subtasks', 'conclude_subtask', 'give_answer']);
      expect(tools.at(-1)!.parameters).toEqual(format);
      expect([messages[0]!.content, toolChoice]).toEqual([expect.stringContaining('call give_answer'), undefined]);
    }
    expect([asked({}, 'none').responseFormat, asked({}, 'json_object').responseFormat]).toEqual([undefined, { type: 'json_object' }]);
  });

  test('has to be answered by that function where nothing else can be done: without tools, and in the last turn', () => {
    expect(asked({ tools: [] }, 'none')).toMatchObject({ tools: [{ name: 'give_answer' }], toolChoice: { name: 'give_answer' } });
    expect(asked({}, 'none', 9)).toMatchObject({ toolChoice: { name: 'give_answer' } });
    expect(asked({}, 'json_schema', 9)).toMatchObject({ toolChoice: 'none' });
  });

  test('never takes the name of a tool, and is not offered where no format is asked for', () => {
    expect(asked({ tools: [tool('give_answer')] }, 'none').tools.map(({ name }) => name)).toEqual(['give_answer', 'open_subtasks', 'conclude_subtask', 'give_answer_']);
    expect(asked({ answerFormat: undefined }, 'none').tools).toHaveLength(3);
  });

  test('that is not an object’s is wrapped into one, and its answer unwrapped', () => {
    const list = { type: 'array', items: { $ref: '#/$defs/n' }, $defs: { n: { type: 'integer' } } };
    expect(answerOffer('give_answer', list).parameters).toEqual({ type: 'object', properties: { answer: { type: 'array', items: { $ref: '#/$defs/n' } } }, required: ['answer'], $defs: { n: { type: 'integer' } } });
    expect(answerOfCall({ arguments: '{"answer":[1,2]}' }, list)).toBe('[1,2]');
    expect([answerOfCall({ arguments: '{"answer":1}' }, format), answerOfCall({ arguments: '[1]' }, list), answerOfCall({ arguments: '{"n":' }, list)]).toEqual(['{"answer":1}', '[1]', '{"n":']);
  });
});

describe('an answer given by the function', () => {
  test('ends the run, and shows neither as a tool call nor as a task', () => {
    const end = after(sessionOf(), calling(['give_answer', '{"n":1}']));
    expect(end.outcome).toEqual({ status: 'succeeded', result: { answer: { n: 1 }, reasoning: [] } });
    expect(end.usage.toolCalls).toEqual({});
    expect([end.commands, end.results]).toEqual([[], []]);
  });

  test('that does not match is refused in its result, twice; then the run fails and says what was wrong', () => {
    const journal: JournalEntry[] = [];
    for (const step of [0, 1]) {
      const end = after(sessionOf({}, step), calling(['give_answer', step === 0 ? '{}' : '{"n"']), journal);
      expect(end).toMatchObject({ outcome: undefined, commands: [], results: [{ callId: `call_${step}_0`, result: { isError: true, errorCode: 'invalid_answer' } }] });
      journal.push(end.entry, ...end.results);
    }
    expect(after(sessionOf({}, 2), calling(['give_answer', '{}']), journal).outcome).toMatchObject({ status: 'failed', error: { code: 'invalid_answer', message: expect.stringContaining('3 tries') } });
    expect(after(sessionOf({}, 2), calling(['give_answer', '{"n":3}']), journal).outcome).toMatchObject({ status: 'succeeded', result: { answer: { n: 3 }, reasoning: [] } });
  });

  test('beside other calls has to wait for their results; they are made', () => {
    const end = after(sessionOf(), calling(['lookup', '{}'], ['give_answer', '{"n":1}']));
    expect(end).toMatchObject({ outcome: undefined, commands: [{ callId: 'call_0_0' }], results: [{ callId: 'call_0_1', result: { isError: true, errorCode: 'not_alone' } }] });
    expect(end.usage.toolCalls).toEqual({ lookup: 1 });
    expect(missingCommands(sessionOf({}, 1), [end.entry, ...end.results]).map(({ callId }) => callId)).toEqual(['call_0_0']);
  });

  test('in the last turn that the engine allows is taken', () => {
    expect(after(sessionOf({}, 9), calling(['give_answer', '{"n":1}'])).outcome).toMatchObject({ status: 'succeeded' });
  });

  test('that is nested too deeply is refused as one that does not match, also where it is wrapped', () => {
    const list = { type: 'array' };
    const deep = `{"answer":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    for (const answerFormat of [format, list]) {
      const [refused] = after(sessionOf({ answerFormat }), calling(['give_answer', deep])).results;
      expect(refused).toMatchObject({ result: { errorCode: 'invalid_answer', content: expect.stringContaining('nested too deeply') } });
    }
  });

  test('that was cut off fails the run as any answer does', () => {
    expect(after(sessionOf(), { ...calling(['give_answer', '{"n":']), finishReason: 'length' }).outcome).toMatchObject({ error: { code: 'output_truncated' } });
  });

  test('may be given as text as well', () => {
    expect(after(sessionOf(), { ...calling(), content: '{"n":4}', finishReason: 'stop' }).outcome).toMatchObject({ status: 'succeeded', result: { answer: { n: 4 } } });
  });

  test('in a run that asked for no format is a call of a tool that does not exist', () => {
    expect(after(sessionOf({ answerFormat: undefined }), calling(['give_answer', '{}'])).results).toMatchObject([{ result: { errorCode: 'unknown_tool' } }]);
  });
});
