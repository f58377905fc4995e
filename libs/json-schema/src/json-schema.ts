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

/**
 * Compiles a JSON schema of draft 2020-12 or 07 without generating code. Patterns are matched in linear time; those that
 * cannot be, with lookaround or back-references, take every text. References lead nowhere but into the schema itself.
 */
export function compileJsonSchema(schema: Readonly<Record<string, unknown>>): CompiledSchema {
  let node: ReturnType<typeof compileSchema>;
  try {
    node = compileSchema(schema, { drafts: [draft] });
  } catch (err) {
    return { problems: [brief(err)], check: () => [] };
  }
  return {
    problems: (node.schemaErrors ?? []).slice(0, PROBLEMS_MAX).map(brief),
    check(value) {
      try {
        return node.validate(value).errors.slice(0, PROBLEMS_MAX).map(brief);
      } catch (err) {
        // Nested too deeply, by the value or by a schema that refers to itself.
        return [brief(err)];
      }
    },
  };
}

function brief(err: unknown): string {
  const { message } = err as { message: string };
  return message.length > TEXT_CHARS_MAX ? `${message.slice(0, TEXT_CHARS_MAX)}…`.toWellFormed() : message;
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

/** Draft 2020-12, but for the two keywords that hold patterns. */
const draft = extendDraft(draft2020, {
  keywords: [
    {
      ...keywordOf('pattern'),
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
    {
      ...keywordOf('patternProperties'),
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
          return schemaError(node, given, err);
        }
      },
    },
  ],
});
