/** Any object of the chat-completions wire: it is passed on with all that it holds. */
export type Json = Readonly<Record<string, unknown>>;

/** The object that a value is, or null. */
export function asJson(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

/** The list that a value is, or an empty one. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Line separators of JavaScript and Python, which JSON allows within a text and readers of lines stumble over. */
const SEPARATORS = /[\u0085\u2028\u2029]/g;

/** One server-sent event. */
export function eventOf(data: Json): string {
  const text = JSON.stringify(data);
  return `data: ${SEPARATORS.test(text) ? text.replaceAll(SEPARATORS, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`) : text}\n\n`;
}

/** The last event of a stream. */
export const DONE = 'data: [DONE]\n\n';

/** A whole completion as the chunks that a stream of it would have, for servers that do not stream. */
export function chunksOf(completion: Json): Json[] {
  const { choices, usage, object: _, ...rest } = completion;
  const head = { ...rest, object: 'chat.completion.chunk' };
  const chunks = asList(choices).map((choice, at) => {
    const { message, ...said } = asJson(choice) ?? {};
    const calls = asList(asJson(message)?.['tool_calls']).map((call, index) => ({ index, ...asJson(call) }));
    return { ...head, choices: [{ index: at, ...said, delta: { ...asJson(message), ...(calls.length > 0 && { tool_calls: calls }) } }] };
  });
  return usage === undefined ? chunks : [...chunks, { ...head, choices: [], usage }];
}
