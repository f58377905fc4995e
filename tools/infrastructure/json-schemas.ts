/** JSON schemas of Kubernetes objects, in the form that their validator takes: pure. */

type Schema = { readonly [key: string]: unknown };

export type CustomResource = {
  readonly kind: string;
  readonly spec: { readonly group: string; readonly names: { readonly kind: string }; readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[] };
};

const reference = /"\$ref":"[^"#]*#\/\$defs\/([^"]+)"/g;

/** The schema with those of `definitions` that it refers to, however far away. */
export function selfContained(schema: object, definitions: Readonly<Record<string, object>>): Schema {
  const needed: Record<string, unknown> = {};
  const local = (part: object): unknown => {
    const text = JSON.stringify(part).replaceAll(reference, (_, name: string) => `"$ref":"#/$defs/${name}"`);
    for (const [, name = ''] of JSON.stringify(part).matchAll(reference)) {
      if (Object.hasOwn(needed, name)) continue;
      const definition = definitions[name];
      if (definition === undefined) throw new Error(`there is no definition ${name}`);
      needed[name] = undefined;
      needed[name] = local(definition);
    }
    return JSON.parse(text);
  };
  const root = local(schema) as Schema;
  return { ...root, $defs: needed };
}

/** The name under which the validator looks for it: `<kind>-<first part of the group>-<version>.json`. */
export function schemaFile({ spec }: CustomResource, version: string): string {
  return `${spec.names.kind}-${spec.group.split('.')[0]}-${version}.json`.toLowerCase();
}

/** A custom resource's schema that allows no field which it does not list, but where it says that it keeps those. */
export function closedSchema(schema: Schema): Schema {
  const own = closedPart(schema) as { properties?: Schema };
  return { ...own, properties: { ...own.properties, metadata: { type: 'object' } } };
}

function closedPart(schema: Schema): Schema {
  const { properties, items, additionalProperties, description: _description, ...rest } = schema as Schema & { properties?: Record<string, Schema>; items?: Schema; additionalProperties?: Schema | boolean; description?: string };
  const isOpen = rest['x-kubernetes-preserve-unknown-fields'] === true || additionalProperties !== undefined;
  return {
    ...rest,
    ...(items && { items: closedPart(items) }),
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, closedPart(part)])) }),
    ...(properties && !isOpen && { additionalProperties: false }),
    ...(additionalProperties !== undefined && { additionalProperties: typeof additionalProperties === 'object' ? closedPart(additionalProperties) : additionalProperties }),
  };
}
