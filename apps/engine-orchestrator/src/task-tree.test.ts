import { describe, expect, test } from '@jest/globals';
import type { JournalEntry, TurnEntry } from './session.ts';
import { TaskTree } from './task-tree.ts';

const names = { open: 'open_subtasks', conclude: 'conclude_subtask' };
const usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };
type Call = [name: string, args: object | string];
const turns = (...steps: { content?: string; calls: Call[] }[]): TurnEntry[] =>
  steps.map(({ content = '', calls }, step) => ({
    kind: 'turn', step, content, usage, costMicroUsd: 0,
    calls: calls.map(([name, args], index) => ({ callId: `c${step}.${index}`, modelCallId: `m${step}.${index}`, name, arguments: typeof args === 'string' ? args : JSON.stringify(args) })),
  }));
const open = (...titles: string[]): Call => ['open_subtasks', { subtasks: titles.map((title) => ({ title, thought: `how to ${title}` })) }];
const conclude = (conclusion: string): Call => ['conclude_subtask', { conclusion }];
const look = (q: string): Call => ['look', { q }];
/** The tree of some turns, and what the last of them is answered. */
function grown(...steps: Parameters<typeof turns>) {
  const tree = new TaskTree(names);
  const answers = turns(...steps).map((turn) => [...tree.grow(turn, new Map()).values()]);
  return { tree, answers: answers.at(-1) ?? [] };
}
const looked = (q: string, callId: string) => ({ title: 'Call look', tooluse: { tool_name: 'look', tool_call_id: callId, parameters: { q } } });

describe('a tree of tasks', () => {
  test('is flat, one task for each call, when the model does not plan', () => {
    expect(grown({ content: 'hm', calls: [look('a'), look('b')] }, { calls: [look('c')] }).tree.tasks()).toEqual([{ ...looked('a', 'c0.0'), thought: 'hm' }, looked('b', 'c0.1'), looked('c', 'c1.0')]);
  });

  test('holds what was done for a subtask in it, its conclusion, and never the planning calls', () => {
    const { tree } = grown(
      { content: 'in two parts', calls: [open('first', 'second')] }, { calls: [look('a')] }, { content: 'enough', calls: [conclude('a is so')] }, { calls: [look('b')] },
      { calls: [conclude('b is so')] }, { calls: [look('c')] },
    );
    expect(tree.tasks()).toEqual([
      { title: 'Plan', thought: 'in two parts' },
      { title: 'first', thought: 'how to first', subtasks: [looked('a', 'c1.0'), { title: 'Conclude', thought: 'enough' }], conclusion: 'a is so' },
      { title: 'second', thought: 'how to second', subtasks: [looked('b', 'c3.0')], conclusion: 'b is so' },
      looked('c', 'c5.0'),
    ]);
  });

  test('nests, and tells the model what is open', () => {
    const steps = [{ calls: [open('outer', 'next')] }, { calls: [open('inner', 'other')] }, { calls: [look('a')] }, { calls: [conclude('i')] }, { calls: [conclude('o')] }, { calls: [conclude('all')] }, { calls: [conclude('n')] }];
    const answered = (count: number) => grown(...steps.slice(0, count)).answers[0]?.content;
    expect(answered(1)).toBe('Subtask 1 of 2 is open: outer');
    expect(answered(2)).toBe('Subtask 1 of 2 is open: inner');
    expect(answered(4)).toBe('Concluded. Subtask 2 of 2 is open: other');
    expect(answered(5)).toBe('Concluded. All 2 subtasks are done. Subtask 1 of 2 is open again: outer');
    expect(answered(6)).toBe('Concluded. Subtask 2 of 2 is open: next');
    expect(answered(7)).toBe('Concluded. All 2 subtasks are done. Go on with the task itself, or answer.');
    const { tree } = grown(...steps);
    expect(tree.tasks()).toEqual([
      { title: 'outer', thought: 'how to outer', conclusion: 'all', subtasks: [{ title: 'inner', thought: 'how to inner', subtasks: [looked('a', 'c2.0')], conclusion: 'i' }, { title: 'other', thought: 'how to other', conclusion: 'o' }] },
      { title: 'next', thought: 'how to next', conclusion: 'n' },
    ]);
    // inner took step 2; other nothing; outer steps 1 to 4; next nothing.
    expect(tree.concluded).toEqual([{ from: 2, to: 2 }, { from: 1, to: 4 }]);
  });

  test('of several subtasks concluded in one turn remembers the outermost', () => {
    const { tree } = grown({ calls: [open('outer')] }, { calls: [open('inner')] }, { calls: [look('a')] }, { calls: [conclude('i'), conclude('o')] });
    expect(tree.concluded).toEqual([{ from: 1, to: 2 }]);
  });

  test.each<[string, Call, string]>([
    ['without an open subtask', conclude('x'), 'nothing_open'],
    ['without a conclusion', ['conclude_subtask', {}], 'invalid_arguments'],
    ['without subtasks', ['open_subtasks', { subtasks: [] }], 'invalid_arguments'],
    ['with broken JSON', ['open_subtasks', '{"subtasks":'], 'invalid_arguments'],
  ])('does not change by a planning call %s, and the model hears why', (_, call, errorCode) => {
    const { tree, answers } = grown({ calls: [call] });
    expect(answers).toEqual([{ isError: true, errorCode, content: expect.stringMatching(/\S/) }]);
    expect(tree.tasks()).toEqual([]);
  });

  test('goes only so deep', () => {
    const { tree, answers } = grown(...Array.from({ length: 9 }, (_, depth) => ({ calls: [open(`level ${depth}`)] })));
    expect(answers).toEqual([expect.objectContaining({ isError: true, errorCode: 'too_deep' })]);
    expect(JSON.stringify(tree.tasks())).not.toContain('level 8');
  });

  test('is the same grown from a journal, with what the tools answered', () => {
    const journal: JournalEntry[] = [...turns({ calls: [look('a'), look('b')] }), { kind: 'result', step: 0, callId: 'c0.1', result: { isError: true, content: 'no' } }, { kind: 'result', step: 0, callId: 'c0.0', result: { isError: false, content: 7 } }];
    expect(TaskTree.of(journal, names).tasks().map(({ tooluse }) => tooluse?.tool_result)).toEqual([7, { error: 'no' }]);
  });
});
