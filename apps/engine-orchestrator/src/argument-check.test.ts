import { describe, expect, test } from '@jest/globals';
import type { SealedFunctionTool } from '@nightshift/contracts';
import { argumentProblems } from './argument-check.ts';
import { offeredTools } from './offered-tools.ts';

const problems = (parameters: Record<string, unknown>, args: Record<string, unknown>, hidden: string[] = []) => {
  const tool: SealedFunctionTool = { type: 'function', name: 'lookup', url: 'https://example.com', method: 'POST', parameters, retry: 'safe', timeoutMs: 1000, hidden };
  return argumentProblems(offeredTools([tool], []).get('lookup')!, args);
};
const search = { type: 'object', properties: { q: { type: 'string', minLength: 1 }, limit: { type: 'integer', minimum: 1, maximum: 50 }, key: { type: 'string' } }, required: ['q', 'key'], additionalProperties: false };

describe('arguments', () => {
  test('that match the parameters are right', () => {
    expect([problems(search, { q: 'x', limit: 5, key: 'k' }), problems({}, { anything: 1 }), problems({ type: 'object', properties: {} }, { more: [1] })]).toEqual([[], [], []]);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['a missing one', { key: 'k' }, /`q` is missing/],
    ['one of another type', { q: 'x', key: 'k', limit: '5' }, /limit/],
    ['one out of bounds', { q: 'x', key: 'k', limit: 51 }, /50/],
    ['one that there is not', { q: 'x', key: 'k', page: 2 }, /page/],
  ])('with %s are wrong, and it is said what', (_, args, words) => {
    expect(problems(search, args)).toEqual([expect.stringMatching(words)]);
  });

  test('that a default replaces are neither asked for nor looked at', () => {
    expect([problems(search, { q: 'x' }, ['key']), problems(search, { q: 'x', key: 7 }, ['key'])]).toEqual([[], []]);
    expect(problems(search, { key: 7 }, ['key'])).toEqual([expect.stringMatching(/`q` is missing/)]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['makes no sense', { type: 'banana' }],
    ['refers to nothing', { $ref: '#/$defs/nope' }],
    ['has a broken pattern', { properties: { q: { type: 'string', pattern: '(' } } }],
    ['is too large', { description: 'x'.repeat(70_000), required: ['q'] }],
  ])('are not checked by a schema that %s', (_, schema) => {
    expect(problems(schema, { q: 1 })).toEqual([]);
  });

  test('are checked alike however many schemas came in between', () => {
    const schemaOf = (at: number) => ({ type: 'object', description: 'd'.repeat(20_000), properties: { [`p${at}`]: { type: 'integer' } }, required: [`p${at}`] });
    for (const at of [...Array.from({ length: 150 }, (_, index) => index), 0, 149, 1]) {
      expect([problems(schemaOf(at), { [`p${at}`]: at }), problems(schemaOf(at), {}).length]).toEqual([[], 1]);
    }
  });
});
