/** A JSON schema of an object as tools declare it. */
export type ParametersSchema = Readonly<Record<string, unknown>>;

/**
 * The schema a model sees of a tool: without the top-level keys that `defaults` fix, in `properties` and `required` alike.
 * `required` goes when nothing is left of it; keys that the schema does not have change nothing.
 */
export function visibleParameters(parameters: ParametersSchema, defaults: Readonly<Record<string, unknown>> | undefined): ParametersSchema {
  const hidden = new Set(Object.keys(defaults ?? {}));
  if (hidden.size === 0) return parameters;
  const { properties, required, ...rest } = parameters;
  const visible: Record<string, unknown> = { ...rest };
  if (isObject(properties)) visible['properties'] = Object.fromEntries(Object.entries(properties).filter(([key]) => !hidden.has(key)));
  else if (properties !== undefined) visible['properties'] = properties;
  if (Array.isArray(required)) {
    const left = required.filter((key) => !hidden.has(key as string));
    if (left.length > 0) visible['required'] = left;
  } else if (required !== undefined) visible['required'] = required;
  return visible;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
