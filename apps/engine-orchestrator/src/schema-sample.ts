import { samplePattern } from './pattern-sample.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Where the values of a sample come from, besides the schema itself. */
export interface SampleHints {
  /** Text for a property that may hold any text. */
  text(property: string): string;
  /** Number for a property that may hold any number. */
  number(property: string): number;
  /** Whether properties that are not required are left out. */
  readonly onlyRequired: boolean;
}

/** From this depth on only what has to be there is filled in, and the shallowest alternative is taken. */
const SHALLOW_FROM = 6;
const DEPTH_MAX = 32;
const NODES_MAX = 500;
const ITEMS_MAX = 50;

/** A JSON value that fits a JSON schema as well as can be told without solving it; the same for the same schema and hints, and bounded for any schema. */
export function sampleSchema(root: unknown, hints: SampleHints): unknown {
  let nodes = 0;

  const sample = (given: unknown, property: string, depth: number): unknown => {
    nodes += 1;
    const schema = resolve(given, root);
    if (depth > DEPTH_MAX || nodes > NODES_MAX) return null;
    if ('const' in schema) return schema['const'];
    const listed = first(schema['enum']);
    if (listed !== undefined) return listed;
    const ready = first(schema['examples']) ?? schema['example'] ?? schema['default'];
    if (ready !== undefined) return ready;
    const branch = alternative(schema, depth);
    if (branch !== undefined) return sample(branch, property, depth + 1);
    switch (typeOf(schema)) {
      case 'object':
        return sampleObject(schema, depth);
      case 'array':
        return sampleArray(schema, property, depth);
      case 'number':
      case 'integer':
        return sampleNumber(schema, hints.number(property));
      case 'boolean':
        return true;
      case 'null':
        return null;
      default:
        return sampleText(schema, () => hints.text(property));
    }
  };

  const sampleObject = (schema: Schema, depth: number): Record<string, unknown> => {
    const required = new Set(Array.isArray(schema['required']) ? schema['required'] : []);
    const isSparse = depth >= SHALLOW_FROM || (hints.onlyRequired && required.size > 0);
    const entries = Object.entries(asSchema(schema['properties'])).filter(([name]) => required.has(name) || !isSparse);
    return Object.fromEntries(entries.map(([name, property]) => [name, sample(property, name, depth + 1)]));
  };

  const sampleArray = (schema: Schema, property: string, depth: number): unknown[] => {
    const fixed = Array.isArray(schema['prefixItems']) ? schema['prefixItems'].map((item) => sample(item, property, depth + 1)) : [];
    const least = asNumber(schema['minItems']) ?? 0;
    const most = Math.min(asNumber(schema['maxItems']) ?? ITEMS_MAX, ITEMS_MAX);
    const wanted = Math.min(Math.max(least, depth >= SHALLOW_FROM || schema['items'] === false ? 0 : 1), most);
    const choices = schema['uniqueItems'] === true ? asList(resolve(schema['items'], root)['enum']) : [];
    while (fixed.length < wanted && nodes <= NODES_MAX) {
      const next = choices[fixed.length] ?? sample(schema['items'] ?? {}, property, depth + 1);
      fixed.push(schema['uniqueItems'] === true && choices.length === 0 ? distinct(next, fixed.length) : next);
    }
    return fixed;
  };

  /** The branch to take of `anyOf` or `oneOf`: the first that is not null, or below some depth the one that ends soonest. */
  const alternative = (schema: Schema, depth: number): unknown => {
    const branches = [...asList(schema['anyOf']), ...asList(schema['oneOf'])];
    if (branches.length === 0) return undefined;
    const { anyOf: _any, oneOf: _one, ...rest } = schema;
    const kinds = branches.map((branch) => ({ branch, type: typeOf(resolve(branch, root)) }));
    const leaf = kinds.find(({ type }) => type !== 'object' && type !== 'array');
    const chosen = (depth >= SHALLOW_FROM ? leaf : kinds.find(({ type }) => type !== 'null')) ?? kinds[0];
    return merge(rest, resolve(chosen?.branch, root));
  };

  return sample(root, '', 0);
}

/** The schema itself, with its references followed and its `allOf` merged in. */
function resolve(given: unknown, root: unknown): Schema {
  let schema = asSchema(given);
  for (let hops = 0; typeof schema['$ref'] === 'string' && hops < DEPTH_MAX; hops += 1) {
    const { $ref, ...rest } = schema;
    schema = merge(asSchema(pointed(root, $ref as string)), rest);
  }
  const { allOf, $ref: _cyclic, ...own } = schema;
  return asList(allOf).slice(0, ITEMS_MAX).reduce<Schema>((merged, part) => merge(merged, resolvePart(part, root)), own);
}

/** A part of an `allOf`, whose own `allOf` is not followed further: nobody nests them, and it might have no end. */
function resolvePart(part: unknown, root: unknown): Schema {
  const { allOf: _, ...schema } = asSchema(part);
  return resolve(schema, root);
}

function pointed(root: unknown, ref: string): unknown {
  if (!ref.startsWith('#')) return {};
  const steps = ref.slice(1).split('/').filter(Boolean).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps.reduce<unknown>((at, step) => (typeof at === 'object' && at !== null && Object.hasOwn(at, step) ? (at as Schema)[step] : {}), root);
}

function merge(a: Schema, b: Schema): Schema {
  const properties = { ...asSchema(a['properties']), ...asSchema(b['properties']) };
  const required = [...asList(a['required']), ...asList(b['required'])];
  return { ...a, ...b, ...(Object.keys(properties).length > 0 && { properties }), ...(required.length > 0 && { required }) };
}

function typeOf(schema: Schema): string {
  const type = Array.isArray(schema['type']) ? (schema['type'].find((one) => one !== 'null') ?? 'null') : schema['type'];
  if (typeof type === 'string') return type;
  if ('properties' in schema) return 'object';
  return 'items' in schema || 'prefixItems' in schema ? 'array' : 'string';
}

function sampleNumber(schema: Schema, hint: number): number {
  const unit = Math.abs(asNumber(schema['multipleOf']) ?? (typeOf(schema) === 'integer' ? 1 : 0));
  const step = unit || 1;
  const low = asNumber(schema['minimum']) ?? -Infinity;
  const high = asNumber(schema['maximum']) ?? Infinity;
  const above = asNumber(schema['exclusiveMinimum']) ?? -Infinity;
  const below = asNumber(schema['exclusiveMaximum']) ?? Infinity;
  const isWhole = (ratio: number) => Math.abs(ratio - Math.round(ratio)) < 1e-9;
  const fits = (value: number) => value >= low && value <= high && value > above && value < below && (unit === 0 || isWhole(value / unit));
  const rounded = (value: number) => (unit ? Math.round(value / unit) * unit : value);
  const bounds = [low, Math.ceil(low / step) * step, high, Math.floor(high / step) * step, above + step, below - step, (Math.max(low, above) + Math.min(high, below)) / 2];
  return [rounded(hint), ...bounds].find((value) => Number.isFinite(value) && fits(value)) ?? rounded(hint);
}

const formats: Readonly<Record<string, string>> = {
  date: '2026-01-15',
  time: '12:00:00Z',
  'date-time': '2026-01-15T12:00:00Z',
  duration: 'PT1H',
  email: 'someone@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  uuid: '018f0000-0000-7000-8000-000000000000',
};

function sampleText(schema: Schema, hint: () => string): string {
  const format = formats[String(schema['format'])];
  if (format !== undefined) return format;
  const pattern = typeof schema['pattern'] === 'string' ? samplePattern(schema['pattern']) : null;
  if (pattern !== null) return pattern;
  const least = Math.min(asNumber(schema['minLength']) ?? 0, 10_000);
  return hint().padEnd(least, '.').slice(0, asNumber(schema['maxLength']) ?? undefined);
}

function distinct(value: unknown, position: number): unknown {
  if (typeof value === 'string') return position === 0 ? value : `${value} ${position + 1}`;
  return typeof value === 'number' ? value + position : value;
}

function first(list: unknown): unknown {
  return Array.isArray(list) ? list[0] : undefined;
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
