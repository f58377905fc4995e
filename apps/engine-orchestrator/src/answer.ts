import { compileJsonSchema } from '@nightshift/json-schema';
import { cleanJson, cleanText, isNestedDeeper, JSON_LEVELS_MAX } from '@nightshift/std';

/** An answer of the model as the run's result gets it, or what is wrong with it. */
export type CheckedAnswer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problems: readonly string[] };

/** Checks an answer against the format that the run asks for; without one any text will do. */
export function checkAnswer(content: string, format: Readonly<Record<string, unknown>> | undefined): CheckedAnswer {
  if (!format) return { ok: true, value: content };
  const text = withoutFence(content);
  // Some thousand levels overflow the stack of the parser that looks at each value.
  if (isNestedDeeper(Buffer.from(text), JSON_LEVELS_MAX)) return { ok: false, problems: [`it is nested too deeply: lists and objects may be ${JSON_LEVELS_MAX} levels deep`] };
  let value: unknown;
  try {
    value = cleanJson(JSON.parse(text, finite));
  } catch (err) {
    if (err instanceof SyntaxError) return { ok: false, problems: [cleanText(`it is not JSON: ${err.message}`)] };
    throw err;
  }
  const problems = compileJsonSchema(format).check(value);
  return problems.length === 0 ? { ok: true, value } : { ok: false, problems };
}

/** What the model is told about an answer that does not fit. */
export function correctionOf(problems: readonly string[]): string {
  return ['Your answer does not have the format that was asked for:', ...problems.map((problem) => `- ${problem}`), 'Answer again, with nothing but the corrected JSON.'].join('\n');
}

/** A number beyond those of JavaScript is parsed as infinite, and would be shown as null. */
function finite(_key: string, value: unknown): unknown {
  if (value === Infinity || value === -Infinity) throw new SyntaxError('a number in it is too large');
  return value;
}

/** Models like to put JSON into a Markdown fence. */
function withoutFence(content: string): string {
  const text = content.trim();
  const start = text.indexOf('\n');
  return text.startsWith('```') && text.endsWith('```') && start > 0 && start < text.length - 3 ? text.slice(start, -3) : text;
}
