import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { samplePattern } from './pattern-sample.ts';
import { sampleSchema } from './schema-sample.ts';

const hints = { onlyRequired: false, number: () => 7, text: () => 'some words' };

describe('a sample of a schema', () => {
  test.each([
    [{ type: 'string', enum: ['b', 'a'] }, 'b'],
    [{ const: 3 }, 3],
    [{ type: 'string', examples: ['shown'], default: 'other' }, 'shown'],
    [{ type: 'string', default: 'other' }, 'other'],
    [{ type: ['null', 'integer'] }, 7],
    [{ anyOf: [{ type: 'null' }, { type: 'boolean' }] }, true],
    [{ type: 'integer', minimum: 10, maximum: 12 }, 10],
    [{ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    [{ type: 'integer', multipleOf: 5, minimum: 6 }, 10],
    [{ type: 'string', maxLength: 4 }, 'some'],
    [{ type: 'string', minLength: 12 }, 'some words..'],
    [{ type: 'array', items: { type: 'string' }, minItems: 2, uniqueItems: true }, ['some words', 'some words 2']],
    [{ type: 'array', items: { enum: ['a', 'b', 'c'] }, minItems: 2, uniqueItems: true }, ['a', 'b']],
    [{ allOf: [{ properties: { a: { const: 1 } }, required: ['a'] }, { properties: { b: { const: 2 } } }] }, { a: 1, b: 2 }],
    [{ $ref: '#/$defs/a~1b', $defs: { 'a/b': { const: 'far' } } }, 'far'],
    [true, 'some words'],
  ])('of %j is %j', (schema, sample) => {
    expect(sampleSchema(schema, hints)).toEqual(sample);
  });

  test('fits what structured answers are made of', () => {
    const item = z.object({ id: z.uuid(), tags: z.array(z.enum(['x', 'y'])).min(1), score: z.number().min(0).max(1), when: z.iso.datetime().nullable() });
    const schema = z.object({ title: z.string(), code: z.string().regex(/^[A-Z]{2}-\d{3,}$/), items: z.array(item), either: z.union([item, z.string()]), note: z.string().optional() });
    expect(schema.safeParse(sampleSchema(z.toJSONSchema(schema), hints)).error).toBeUndefined();
  });

  test('of a schema that contains itself ends, and fits', () => {
    const tree = { type: 'object', properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#' } }, parent: { anyOf: [{ $ref: '#' }, { type: 'null' }] } }, required: ['name', 'children', 'parent'], additionalProperties: false };
    const text = JSON.stringify(sampleSchema(tree, hints));
    expect(text.length).toBeLessThan(20_000);
    expect(z.fromJSONSchema(tree as never).safeParse(JSON.parse(text)).error).toBeUndefined();
  });

  test('of a schema without an end still ends', () => {
    const endless = { $ref: '#/$defs/a', $defs: { a: { type: 'object', properties: { a: { $ref: '#/$defs/a' }, b: { $ref: '#/$defs/a' } }, required: ['a', 'b'] }, loop: { $ref: '#/$defs/loop' } } };
    expect(JSON.stringify(sampleSchema(endless, hints)).length).toBeLessThan(50_000);
    expect(sampleSchema({ $ref: '#/$defs/loop', $defs: endless.$defs }, hints)).toBe('some words');
    const wide = sampleSchema({ type: 'array', minItems: 1e9, items: { type: 'array', minItems: 1e9 } }, hints);
    expect(JSON.stringify(wide).length).toBeLessThan(20_000);
  });

  test('of anything at all is a JSON value', () => {
    fc.assert(fc.property(fc.jsonValue(), (schema) => expect(JSON.parse(JSON.stringify(sampleSchema(schema, hints)))).toBeDefined()));
    const words = fc.constantFrom('type', 'properties', 'items', 'anyOf', 'allOf', '$ref', 'object', 'array', '#', '#/items', 'minItems', 'required', 'pattern');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, words, fc.integer({ min: -3, max: 60 }), fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(words, tie('value'), { maxKeys: 4 })),
    }));
    fc.assert(fc.property(value, (schema) => expect(JSON.stringify(sampleSchema(schema, hints)).length).toBeLessThan(1_000_000)));
  });
});

describe('a sample of a pattern', () => {
  test.each(['^[A-Z]{2}-\\d{3,}$', '^(a+)+$', '(?:foo|bar)?baz', '^\\w+@\\w+\\.com$', '[^a-z]x', '^$', '[\\d]{4}', 'a|b', '(?<year>\\d{4})'])('matches %s', (pattern) => {
    expect(samplePattern(pattern)).toMatch(new RegExp(pattern));
  });

  test.each(['(?=a)b', '\\1', '[a', '(a', 'a{999999999}', '\\p{L}', '('.repeat(99), ')'])('is none for %s, which cannot be built by reading', (pattern) => {
    expect(samplePattern(pattern)).toBeNull();
  });

  test('never takes long, whatever the pattern', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'ab()[]{}*+?|\\^$.-1,:<'), maxLength: 60 }), (pattern) => {
      expect((samplePattern(pattern) ?? '').length).toBeLessThanOrEqual(256);
    }));
  });
});
