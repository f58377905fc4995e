import { describe, expect, test } from '@jest/globals';
import { compileJsonSchema } from './json-schema.ts';

const person = {
  $defs: { Person: { type: 'object', title: 'Person', properties: { name: { type: 'string' }, boss: { anyOf: [{ $ref: '#/$defs/Person' }, { type: 'null' }] } }, required: ['name'], additionalProperties: false } },
  $ref: '#/$defs/Person',
};

describe('a JSON schema', () => {
  test.each<[string, object, unknown]>([
    ['with references to itself', person, { name: 'a', boss: { name: 'b', boss: null } }],
    ['with formats', { type: 'object', properties: { d: { type: 'string', format: 'date' }, m: { type: 'string', format: 'email' }, u: { type: 'string', format: 'uuid' } } }, { d: '2026-11-22', m: 'a@b.co', u: '0197a2b0-0000-7000-8000-000000000000' }],
    ['with a pattern as JavaScript spells it', { type: 'string', pattern: '^\\u00e9\\/(?<n>\\d+)$' }, 'é/12'],
    ['with patterns for names', { type: 'object', patternProperties: { '^n_': { type: 'number' } }, additionalProperties: false }, { n_a: 1 }],
    ['with a pattern that takes more than linear time, which is not checked', { type: 'string', pattern: '^(?!\\.)x' }, 'y'],
    ['of draft 07', { $schema: 'http://json-schema.org/draft-07/schema#', properties: { a: { $ref: '#/definitions/A' } }, definitions: { A: { type: 'string' } } }, { a: 'x' }],
    ['that says nothing', {}, [1, null]],
  ])('%s takes a valid value', (_, schema, value) => {
    const compiled = compileJsonSchema(schema as Record<string, unknown>);
    expect([compiled.problems, compiled.check(value)]).toEqual([[], []]);
  });

  test.each<[string, object, unknown, RegExp]>([
    ['deep inside', person, { name: 'a', boss: { name: 7 } }, /boss/],
    ['by a missing property', person, {}, /`name` is missing/],
    ['by an unknown property', person, { name: 'a', age: 1 }, /`age`/],
    ['by a value outside an enum', { properties: { e: { enum: ['a', 'b'] } } }, { e: 'c' }, /#\/e/],
    ['by a date that is none', { type: 'string', format: 'date' }, '2026-13-01', /date/],
    ['by a name that matches a pattern', { type: 'object', patternProperties: { '^n_': { type: 'number' } } }, { n_a: 'x' }, /n_a/],
  ])('says what is wrong with a value %s', (_, schema, value, words) => {
    expect(compileJsonSchema(schema as Record<string, unknown>).check(value)).toEqual([expect.stringMatching(words)]);
  });

  test.each<[string, object, RegExp]>([
    ['an unknown type', { type: 'banana' }, /banana/],
    ['a broken pattern', { type: 'string', pattern: '(' }, /\(/],
    ['a pattern that is no text', { type: 'string', pattern: 7 }, /string/],
    ['a broken pattern for names', { patternProperties: { '(': {} } }, /\(/],
    ['a reference to nothing', { $ref: '#/$defs/nope' }, /ref/],
  ])('with %s says so', (_, schema, words) => {
    expect(compileJsonSchema(schema as Record<string, unknown>).problems).toEqual([expect.stringMatching(words)]);
  });

  test('is checked in linear time whatever its pattern, and fetches nothing', () => {
    const evil = compileJsonSchema({ type: 'string', pattern: '^(a+)+$' });
    expect(evil.check(`${'a'.repeat(50_000)}b`)).toHaveLength(1);
    expect(compileJsonSchema({ $ref: 'http://127.0.0.1:9/schema.json' }).check(1)).toEqual([expect.stringMatching(/resolve/)]);
  });

  test('that refers to itself alone, and a value that is nested too deeply, are errors and no crash', () => {
    expect(compileJsonSchema({ $ref: '#' }).check(1)).toEqual([expect.stringContaining('refers to itself')]);
    let deep: unknown = 1;
    for (let depth = 0; depth < 100_000; depth += 1) deep = { boss: deep, name: 'x' };
    expect(compileJsonSchema(person).check(deep).length).toBeGreaterThan(0);
  });

  test.each<[string, object, unknown]>([
    ['by references that double', { $defs: Object.fromEntries(Array.from({ length: 41 }, (_, at) => [`a${at}`, at === 40 ? {} : { allOf: [{ $ref: `#/$defs/a${at + 1}` }, { $ref: `#/$defs/a${at + 1}` }] }])), $ref: '#/$defs/a0' }, 1],
    ['by its size', { anyOf: Array.from({ length: 100_000 }, () => ({})) }, 1],
    ['by comparing every item with every other', { type: 'array', uniqueItems: true }, Array.from({ length: 100_000 }, () => 1)],
    ['by all that is wrong', { type: 'array', items: { enum: Array.from({ length: 1000 }, (_, at) => `value ${at}`) } }, Array.from({ length: 100_000 }, () => 1)],
  ])('that takes too much work %s ends with a problem', (_, schema, value) => {
    const compiled = compileJsonSchema(schema as Record<string, unknown>);
    expect([...compiled.problems, ...compiled.check(value)].length).toBeGreaterThan(0);
  });

  test('knows no names that every object has', () => {
    const texts = compileJsonSchema({ type: 'object', properties: { x: {} }, additionalProperties: { type: 'string' } });
    expect(texts.check(JSON.parse('{"constructor":"a","toString":"b","__proto__":"c"}'))).toEqual([]);
    expect(texts.check({ constructor: 1 })).toEqual([expect.stringMatching(/constructor/)]);
  });

  test('tells equal items from different ones', () => {
    const set = compileJsonSchema({ type: 'array', uniqueItems: true });
    expect([set.check([1, '1', { a: 1 }]), set.check([{ a: 1 }, { a: 1 }]).length]).toEqual([[], 1]);
  });

  test('gives at most twenty short texts', () => {
    const texts = compileJsonSchema({ type: 'array', items: { type: 'number' } }).check(Array.from({ length: 100 }, () => 'x'.repeat(10_000)));
    expect(texts).toHaveLength(20);
    for (const text of texts) expect(text.length).toBeLessThanOrEqual(301);
  });
});
