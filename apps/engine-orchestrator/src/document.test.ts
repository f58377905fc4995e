import { describe, expect, test } from '@jest/globals';
import type { ToolResult } from '@nightshift/contracts';
import fc from 'fast-check';
import { spelledAs } from './document-parts.ts';
import { RunDocument } from './document.ts';
import { LiveTurn, PREAMBLE_CHARS_MAX } from './live-turn.ts';
import type { ModelDelta } from './model.ts';
import { isOwn } from './planner.ts';
import type { JournalEntry, TurnEntry } from './session.ts';
import { TaskTree } from './task-tree.ts';

const names = { open: 'open_subtasks', conclude: 'conclude_subtask' };
const usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };

interface Said {
  readonly reasoning: string;
  readonly content: string;
  readonly calls: readonly (readonly [name: string, args: string])[];
}
const text = fc.oneof(fc.constant(''), fc.string({ unit: 'binary', maxLength: 12 }).map((value) => value.replaceAll('\0', '').toWellFormed()), fc.constant('caf\u00e9 \u2028 "quoted" \\ \ud83d\ude00'), fc.constant('x'.repeat(PREAMBLE_CHARS_MAX + 20)));
/** JSON in ASCII alone, as Python's json.dumps spells it. */
const inAscii = (json: string): string => json.replaceAll(/[^\n -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
const values = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('\ud83d\ude00', 'caf\u00e9 \ud83d\ude00\ud83d\ude00', '\\ud83d', '\\\\u0000'));
const objects = fc.tuple(fc.dictionary(fc.string({ maxLength: 4 }), values, { maxKeys: 3 }).map((value) => JSON.stringify(value, undefined, 1)), fc.boolean()).map(([json, isAscii]) => (isAscii ? inAscii(json) : json));
const wrong = fc.constantFrom('', '{', '{"a":1}}]}', '[1]', '{"a":tru}', '{"a":"\\u0000"}');
const callWith = (args: fc.Arbitrary<string>) => fc.oneof(
  fc.tuple(fc.constantFrom('look', 'say'), args),
  fc.integer({ min: 1, max: 3 }).map((count) => [names.open, JSON.stringify({ subtasks: Array.from({ length: count }, (_, index) => ({ title: `t${index}` })) })] as const),
  fc.constant([names.conclude, '{"conclusion":"so"}'] as const),
);
const turnWith = (args: fc.Arbitrary<string>) => fc.record({ reasoning: text, content: text, calls: fc.array(callWith(args), { minLength: 1, maxLength: 3 }) });
const scriptWith = (args: fc.Arbitrary<string>) => fc.record({ turns: fc.array(turnWith(args), { maxLength: 6 }), last: fc.record({ reasoning: text, content: text.filter((value) => value !== ''), calls: fc.constant([]) }) });
/** After how many pieces each try of a turn is cut off; undefined: not at all. */
const cuts = fc.array(fc.option(fc.nat(12), { nil: undefined }), { maxLength: 12 });
const facts = fc.record({ hasTools: fc.boolean(), speaksFirst: fc.boolean(), isAnswerOnly: fc.boolean() });

const pieces = (value: string): string[] => value.match(/[\s\S]{1,5}/gu) ?? [];
function deltasOf({ reasoning, content, calls }: Said): ModelDelta[] {
  const [first] = calls;
  return [
    ...pieces(reasoning).map((piece) => ({ kind: 'reasoning' as const, text: piece })),
    ...pieces(content).map((piece) => ({ kind: 'content' as const, text: piece })),
    ...(first ? pieces(first[1]).map((piece) => ({ kind: 'call' as const, name: first[0], text: piece })) : []),
  ];
}
const entryOf = ({ reasoning, content, calls }: Said, step: number): TurnEntry => ({
  kind: 'turn', step, content, ...(reasoning !== '' && { reasoning }), usage, costMicroUsd: 0,
  calls: calls.map(([name, args], index) => ({ callId: `c${step}.${index}`, modelCallId: `m${index}`, name, arguments: args })),
});

/** Plays a run whose worker is lost now and then; returns all that was shown of it, and its tree. */
function play(turns: readonly Said[], tries: (number | undefined)[], { hasTools, speaksFirst, isAnswerOnly }: { hasTools: boolean; speaksFirst: boolean; isAnswerOnly: boolean }) {
  const journal: JournalEntry[] = [];
  let shown = '';
  let committed = 0;
  let nodes: string[] = [];
  let unanswered = new Set<string>();
  const lost = [...tries];
  turns.forEach((said, step) => {
    for (;;) {
      const opened = RunDocument.open(TaskTree.of(journal, names), isAnswerOnly, { unanswered, text: shown.slice(committed), tail: shown.slice(0, committed).slice(-1) });
      const { document } = opened;
      const add = (more: typeof opened.shown) => {
        for (const one of more) if (one.kind === 'text') shown += one.text;
        nodes.push(...more.flatMap((one) => (one.kind === 'node' ? [one.text] : [])));
      };
      add(opened.shown);
      const live = new LiveTurn(document, { isOwn: (name) => isOwn(names, name), hasTools, hasFormat: false, speaksFirst, callId: `c${step}.0` });
      const cut = lost.shift();
      const deltas = deltasOf(said);
      deltas.slice(0, cut).forEach((delta) => add(live.take(delta)));
      if (cut !== undefined) {
        nodes = [];
        continue;
      }
      const entry = entryOf(said, step);
      const isEnd = step === turns.length - 1;
      add(document.settle(entry, new Map(), isEnd ? { answer: spelledAs('', said.content) } : undefined));
      committed = shown.length;
      const results = entry.calls.map(({ callId, name }) => ({ kind: 'result' as const, step, callId, result: { isError: name === 'say', content: `of ${callId}` } satisfies ToolResult }));
      journal.push(entry, ...results);
      unanswered = new Set(entry.calls.map(({ callId }) => callId));
      return;
    }
  });
  return { shown, nodes, tasks: TaskTree.of(journal, names).tasks() };
}
type Document = { reasoning?: unknown[]; answer: string };

describe('the document of a run', () => {
  test('says what the run found, also where a text was taken for the answer that was none', () => {
    fc.assert(
      fc.property(scriptWith(objects), facts, ({ turns, last }, known) => {
        const { shown, nodes, tasks } = play([...turns, last], [], known);
        const document = JSON.parse(shown) as Document;
        expect(document).toEqual(JSON.parse(JSON.stringify(known.isAnswerOnly ? { answer: last.content } : { reasoning: tasks, answer: last.content })));
        if (!known.isAnswerOnly) expect(nodes.map((node) => JSON.parse(node) as unknown)).toEqual(document.reasoning);
      }),
      { numRuns: 500 },
    );
  });

  test('is JSON with the right answer wherever its turns are cut off and made again', () => {
    fc.assert(
      fc.property(scriptWith(fc.oneof(objects, wrong)), cuts, facts, ({ turns, last }, tries, known) => {
        expect((JSON.parse(play([...turns, last], tries, known).shown) as Document).answer).toBe(last.content);
      }),
      { numRuns: 1000 },
    );
  });

  test('can be ended in the middle of a turn', () => {
    fc.assert(
      fc.property(turnWith(objects), fc.nat(20), fc.boolean(), (said, cut, hasTools) => {
        const begun = RunDocument.open(new TaskTree(names), false, { unanswered: new Set(), text: '', tail: '' });
        const live = new LiveTurn(begun.document, { isOwn: (name) => isOwn(names, name), hasTools, hasFormat: false, speaksFirst: false, callId: 'c' });
        const textOf = (shown: typeof begun.shown) => shown.map((one) => (one.kind === 'text' ? one.text : '')).join('');
        const stored = textOf(begun.shown) + deltasOf(said).slice(0, cut).map((delta) => textOf(live.take(delta))).join('');
        const taken = RunDocument.open(new TaskTree(names), false, { unanswered: new Set(), text: stored, tail: '' });
        const whole = stored + textOf(taken.shown) + textOf(taken.document.end());
        expect(JSON.parse(whole)).toMatchObject({ reasoning: expect.any(Array), answer: null });
      }),
      { numRuns: 500 },
    );
  });
});

test.each([
  ['a pair of surrogates', '{"a":"\\ud83d\\uDE00"}', true],
  ['an escaped backslash before what looks like an escape', '{"a":"\\\\ud83d \\\\u0000"}', true],
  ['half a pair', '{"a":"\\ud83d"}', false],
  ['a pair the wrong way round', '{"a":"\\ude00\\ud83d"}', false],
  ['half a pair behind an escaped backslash', '{"a":"\\\\\\ud83d"}', false],
  ['halves of a pair that are apart', '{"a":"\\ud83d\\n\\ude00"}', false],
  ['a NUL', '{"a":"\\u0000"}', false],
])('a value is spelled as it was unless that holds what is never stored: %s', (_what, spelling, isKept) => {
  expect(spelledAs(spelling, { a: 'clean' })).toBe(isKept ? spelling : '{"a":"clean"}');
});
