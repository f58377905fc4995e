import { expect, test } from '@jest/globals';
import { errorKind, tellableLog } from './log-lines.ts';

const lines = (text: string): unknown[] => text.split('\n').filter((line) => line !== '').map((line): unknown => JSON.parse(line));

test('a log line keeps ids, numbers and names of ours, and nothing else', () => {
  const line = { level: 'info', time: '2026-11-22T10:00:00.000Z', service: 'runs', msg: 'request', runId: 'run_1', durationMs: 1.5, instructions: 'canary', headers: { cookie: 'canary' } };
  expect(lines(tellableLog(`${JSON.stringify(line)}\n`, 10))).toEqual([{ level: 'info', time: '2026-11-22T10:00:00.000Z', service: 'runs', msg: 'request', runId: 'run_1', durationMs: 1.5 }]);
});

test('an error is told by type, code and where it came from, not by its message', () => {
  const err = { type: 'DatabaseError', code: '23505', message: 'Key (name)=(canary) exists', stack: 'DatabaseError: Key (name)=(canary) exists\n  canary of a second line\n    at query (file:///app/run.store.js:10:5)\n    at async next (file:///app/x.js:1:1)' };
  expect(lines(tellableLog(JSON.stringify({ msg: 'work', err }), 10))).toEqual([{ msg: 'work', err: { type: 'DatabaseError', code: '23505', frames: ['at query (file:///app/run.store.js:10:5)', 'at async next (file:///app/x.js:1:1)'] } }]);
});

test('a message that looks like a code is none of the three', () => {
  expect(lines(tellableLog(JSON.stringify({ err: { type: 'my secret is 1', code: 7, stack: 'at canary' } }), 10))).toEqual([{ err: { frames: [] } }]);
});

test('lines that are no JSON are counted, and only the last are told', () => {
  const text = ['{"msg":"first"}', 'a stack trace with a canary', '"text"', '{"msg":"last"}', ''].join('\n');
  expect(lines(tellableLog(text, 3))).toEqual([{ msg: 'last' }, { leftOut: 2, because: 'no JSON' }]);
});

test.each([
  ['does not fit the schema of run.commanded: input.canary: expected string', 'does not fit the schema of run.commanded'],
  ['not JSON: SyntaxError: Unexpected token c in canary', 'not JSON'],
  ['no such topic: canary', 'no such topic'],
  ['DatabaseError: invalid input syntax for type json: canary\n    at x', 'DatabaseError'],
  ['canary without a kind', 'other'],
])('the kind of a dead letter’s error quotes nothing of the message: %s', (error, kind) => {
  expect(errorKind(error)).toBe(kind);
});
