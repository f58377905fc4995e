import { describe, expect, test } from '@jest/globals';
import { closedSchema, schemaFile, selfContained } from './json-schemas.ts';

describe('a schema that refers to definitions elsewhere', () => {
  const definitions = {
    Spec: { properties: { next: { $ref: '/api/_definitions.json#/$defs/Spec' }, port: { $ref: '/api/_definitions.json#/$defs/Port' } } },
    Port: { type: 'integer' },
    Other: { type: 'string' },
  };

  test('gets all that it needs and nothing else, also where they refer to themselves', () => {
    expect(selfContained({ properties: { spec: { $ref: '/api/_definitions.json#/$defs/Spec' } } }, definitions)).toEqual({
      properties: { spec: { $ref: '#/$defs/Spec' } },
      $defs: { Spec: { properties: { next: { $ref: '#/$defs/Spec' }, port: { $ref: '#/$defs/Port' } } }, Port: { type: 'integer' } },
    });
  });

  test('is refused when one is missing', () => {
    expect(() => selfContained({ $ref: 'x#/$defs/Gone' }, definitions)).toThrow('there is no definition Gone');
  });
});

describe('a schema of a custom resource', () => {
  test('allows no field that it does not list, at any depth', () => {
    const schema = { type: 'object', properties: { spec: { type: 'object', description: 'text', properties: { list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string' } } } } } } } };
    expect(closedSchema(schema)).toEqual({
      type: 'object', additionalProperties: false,
      properties: {
        metadata: { type: 'object' },
        spec: { type: 'object', additionalProperties: false, properties: { list: { type: 'array', items: { type: 'object', additionalProperties: false, properties: { a: { type: 'string' } } } } } },
      },
    });
  });

  test('stays open where it says so', () => {
    const { properties } = closedSchema({ properties: { any: { properties: { a: {} }, 'x-kubernetes-preserve-unknown-fields': true }, map: { additionalProperties: { properties: { a: {} } } } } }) as { properties: object };
    expect(properties).toEqual({
      metadata: { type: 'object' },
      any: { properties: { a: {} }, 'x-kubernetes-preserve-unknown-fields': true },
      map: { additionalProperties: { properties: { a: {} }, additionalProperties: false } },
    });
  });

  test('is found by kind, group and version', () => {
    const resource = { kind: 'CustomResourceDefinition', spec: { group: 'keda.sh', names: { kind: 'ScaledObject' }, versions: [] } };
    expect(schemaFile(resource, 'v1alpha1')).toBe('scaledobject-keda-v1alpha1.json');
  });
});
