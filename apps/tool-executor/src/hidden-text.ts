const HIDDEN = '[hidden]';
/** Shorter texts are found by chance. */
const CHARS_MIN = 4;
/** Longer texts are no header with a scheme and a token, and their words are no secrets. */
const SPLIT_CHARS_MAX = 1000;

/** Every text inside a value that would give a credential away; `Bearer x` is one, and so is `x`. */
export function secretsOf(value: unknown): string[] {
  const found = new Set<string>();
  collect(value, found);
  // The longest first, so that no rest of one stays behind another.
  return [...found].filter((text) => text.length >= CHARS_MIN).sort((a, b) => b.length - a.length);
}

function collect(value: unknown, found: Set<string>): void {
  if (typeof value === 'string') for (const text of [value, ...(value.length <= SPLIT_CHARS_MAX ? value.split(' ') : [])]) found.add(text);
  else if (typeof value === 'number') found.add(String(value));
  else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) collect(inner, found);
}

/** A JSON value in whose texts, keys and numbers no secret stands any more. */
export function hide(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), value);
  if (typeof value === 'number') return secrets.includes(String(value)) ? HIDDEN : value;
  if (Array.isArray(value)) return value.map((item) => hide(item, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [hide(key, secrets), hide(item, secrets)]));
}
