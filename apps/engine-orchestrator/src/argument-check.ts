import { type CompiledSchema, compileJsonSchema } from '@nightshift/json-schema';
import type { OfferedTool } from './mcp-offers.ts';

/** Compiled schemas by their text, the latest last; null for one that makes no sense. Together their texts have so many characters at most. */
const compiled = new Map<string, CompiledSchema | null>();
const CHARS_MAX = 2 * 1024 * 1024;
let chars = 0;

/**
 * What is wrong with a call's arguments by the parameters of its tool, as the model was shown them: at most 20 texts, none
 * for valid ones. Arguments that a default replaces are not looked at, and a schema that makes no sense checks nothing.
 */
export function argumentProblems({ offer, tool }: OfferedTool, args: Readonly<Record<string, unknown>>): string[] {
  const schema = schemaOf(offer.parameters);
  if (!schema) return [];
  const hidden = tool.type === 'function' ? tool.hidden : [];
  return schema.check(hidden.length === 0 ? args : Object.fromEntries(Object.entries(args).filter(([name]) => !hidden.includes(name))));
}

function schemaOf(parameters: Readonly<Record<string, unknown>>): CompiledSchema | null {
  const text = JSON.stringify(parameters);
  let schema = compiled.get(text);
  if (schema === undefined) {
    const fresh = compileJsonSchema(parameters);
    schema = fresh.problems.length === 0 ? fresh : null;
    chars += text.length;
  } else compiled.delete(text);
  compiled.set(text, schema);
  for (const oldest of compiled.keys()) {
    if (chars <= CHARS_MAX) break;
    compiled.delete(oldest);
    chars -= oldest.length;
  }
  return schema;
}
