/** A JSON schema of an object as tools declare it. */
export type ParametersSchema = Readonly<Record<string, unknown>>;

/**
 * The schema a model sees of a tool: without the top-level keys in `hidden` (the names of its defaults), in `properties` and
 * `required` alike. `required` goes when nothing is left of it; names that the schema does not have change nothing.
 */
export function visibleParameters(parameters: ParametersSchema, hidden: readonly string[]): ParametersSchema {
  if (hidden.length === 0) return parameters;
  const { properties, required, ...rest } = parameters;
  const visible: Record<string, unknown> = rest;
  if (isObject(properties)) visible['properties'] = Object.fromEntries(Object.entries(properties).filter(([name]) => !hidden.includes(name)));
  else if (properties !== undefined) visible['properties'] = properties;
  const left = Array.isArray(required) ? required.filter((name) => !hidden.includes(name as string)) : required;
  if (Array.isArray(left) ? left.length > 0 : left !== undefined) visible['required'] = left;
  return visible;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
