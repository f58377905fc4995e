import { expect, test } from '@jest/globals';
import { visibleParameters } from './visible-parameters.ts';

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, apiKey: { type: 'string' }, unit: { type: 'string' } },
  required: ['city', 'apiKey'],
  additionalProperties: false,
};

test('keys with a default are hidden from properties and required, and the schema itself is not changed', () => {
  const before = structuredClone(parameters);
  expect(visibleParameters(parameters, ['apiKey', 'notDeclared'])).toEqual({
    type: 'object',
    properties: { city: { type: 'string' }, unit: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  });
  expect(parameters).toEqual(before);
});

test('required goes when nothing is left of it', () => {
  expect(visibleParameters(parameters, ['apiKey', 'city', 'unit'])).toEqual({ type: 'object', properties: {}, additionalProperties: false });
});

test('without defaults the schema is the same', () => {
  expect(visibleParameters(parameters, [])).toBe(parameters);
});

test('an odd schema stays as it is', () => {
  expect(visibleParameters({ properties: 1, required: 'x' }, ['x'])).toEqual({ properties: 1, required: 'x' });
  expect(visibleParameters({}, ['x'])).toEqual({});
});
