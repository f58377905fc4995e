import { compileSchema, draft2020, extendDraft, type Keyword, type SchemaNode } from 'json-schema-library';
import { RE2JS } from 're2js';

/** A JSON schema that somebody sent, ready to check values with. */
export interface CompiledSchema {
  /** What is wrong with the schema itself; with any of these it checks nothing reliably. */
  readonly problems: readonly string[];
  /** What is wrong with a value, at most 20 texts that name the place; none for a valid one. */
  check(value: unknown): string[];
}

const PROBLEMS_MAX = 20;
const TEXT_CHARS_MAX = 300;
const SCHEMA_CHARS_MAX = 65_536;
/** Steps of compiling, and of each check: a schema of a few lines can ask for more than a computer can do. */
const WORK_MAX = 300_000;
const ERRORS_MAX = 50;

/** What the running compilation or check has done; both are synchronous. */
const spent = { work: 0, errors: [] as string[] };

/** Nobody waits for a schema like this. */
class TooMuch extends Error {}

/**
 * Compiles a JSON schema of draft 2020-12 or 07 without generating code. Patterns are matched in linear time; those that
 * cannot be, with lookaround or back-references, take every text. References lead nowhere but into the schema itself. A
 * schema of more than 64 KiB, or one that takes too much work, is a problem.
 */
export function compileJsonSchema(schema: Readonly<Record<string, unknown>>): CompiledSchema {
  if (JSON.stringify(schema).length > SCHEMA_CHARS_MAX) return broken('the schema is larger than 64 KiB');
  let node: ReturnType<typeof compileSchema>;
  try {
    Object.assign(spent, { work: 0, errors: [] });
    node = compileSchema(schema, { drafts: [draft] });
  } catch (err) {
    return broken(brief(err));
  }
  return {
    problems: (node.schemaErrors ?? []).slice(0, PROBLEMS_MAX).map(brief),
    check(value) {
      Object.assign(spent, { work: 0, errors: [] });
      try {
        return node.validate(value).errors.slice(0, PROBLEMS_MAX).map(brief);
      } catch (err) {
        // Too much, or nested too deeply: by the value, or by a schema that refers to itself.
        return [...spent.errors.slice(0, PROBLEMS_MAX - 1), brief(err)];
      }
    },
  };
}

function broken(problem: string): CompiledSchema {
  return { problems: [problem], check: () => [problem] };
}

function brief(err: unknown): string {
  const { message } = err instanceof RangeError ? { message: 'it is nested too deeply, or refers to itself without end' } : (err as { message: string });
  return (message.length > TEXT_CHARS_MAX ? `${message.slice(0, TEXT_CHARS_MAX)}…` : message).toWellFormed();
}

type Matcher = Pick<RegExp, 'test'>;

function linearMatcher(pattern: string): Matcher {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch {
    // Throws when it is no pattern at all.
    new RegExp(pattern, 'u');
    return { test: () => true };
  }
  return { test: (text) => compiled.matcher(text).find() };
}

function keywordOf(name: string): Keyword {
  const found = draft2020.keywords.find(({ keyword }) => keyword === name);
  if (!found) throw new Error(`the schema library has no keyword "${name}"`);
  return found;
}

function schemaError(node: SchemaNode, value: unknown, err: unknown) {
  return node.createError('schema-error', { pointer: node.schemaLocation, schema: node.schema, value, message: (err as Error).message });
}

function spend(): void {
  spent.work += 1;
  if (spent.work > WORK_MAX) throw new TooMuch('it takes too much work to check');
}

/** A keyword whose steps and errors are counted. */
function counted(keyword: Keyword): Keyword {
  const { parse, validate } = keyword;
  return {
    ...keyword,
    ...(parse && {
      parse(node: SchemaNode) {
        spend();
        return parse(node);
      },
    }),
    ...(validate && {
      validate(options: Parameters<typeof validate>[0]) {
        spend();
        const found = validate(options);
        for (const error of [found].flat()) if (error && 'message' in error) spent.errors.push(brief(error));
        if (spent.errors.length > ERRORS_MAX) throw new TooMuch('and more');
        return found;
      },
    }),
  };
}

const original = { uniqueItems: keywordOf('uniqueItems'), properties: keywordOf('properties'), pattern: keywordOf('pattern'), patternProperties: keywordOf('patternProperties') };

/** Keywords as we need them: in linear time, and without the names that every object has. */
const changed: Readonly<Record<string, Keyword>> = {
  uniqueItems: {
    ...original.uniqueItems,
    validate({ node, data, pointer = '#' }) {
      if (!Array.isArray(data) || node.schema['uniqueItems'] !== true) return undefined;
      const isUnique = new Set(data.map((item) => JSON.stringify(item))).size === data.length;
      return isUnique ? undefined : node.createError('unique-items-error', { pointer, schema: node.schema, value: '…', itemPointer: pointer, duplicateItem: '…' });
    },
  },
  properties: {
    ...original.properties,
    parse(node) {
      const found = original.properties.parse?.(node);
      if (node.properties) Object.setPrototypeOf(node.properties, null);
      return found;
    },
  },
  pattern: {
    ...original.pattern,
    parse(node) {
      const pattern: unknown = node.schema['pattern'];
      if (typeof pattern !== 'string') return pattern === undefined ? undefined : schemaError(node, pattern, new Error('a pattern has to be a string'));
      try {
        node['pattern'] = linearMatcher(pattern) as RegExp;
        return undefined;
      } catch (err) {
        return schemaError(node, pattern, err);
      }
    },
  },
  patternProperties: {
    ...original.patternProperties,
    parse(node) {
      const given: unknown = node.schema['patternProperties'];
      if (typeof given !== 'object' || given === null) return undefined;
      try {
        node.patternProperties = Object.entries(given).map(([name, inner]) => ({
          name,
          pattern: linearMatcher(name) as RegExp,
          node: node.compileSchema(inner, `${node.evaluationPath}/patternProperties/${name}`, `${node.schemaLocation}/patternProperties/${name}`),
        }));
        return undefined;
      } catch (err) {
        if (err instanceof TooMuch) throw err;
        return schemaError(node, given, err);
      }
    },
  },
};

const draft = extendDraft(draft2020, { keywords: draft2020.keywords.map((keyword) => counted(changed[keyword.keyword] ?? keyword)) });
