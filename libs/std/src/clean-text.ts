/** Text from outside as it may be stored: without NUL characters, and with U+FFFD in the place of every lone surrogate. */
export function cleanText(s: string): string {
  return (s.includes('\u0000') ? s.replaceAll('\u0000', '') : s).toWellFormed();
}

/** Levels of lists and objects that a JSON value may be nested to and be kept whole, where nothing else is said. */
export const JSON_LEVELS_MAX = 64;

const tooDeep = '[nested too deeply]';

/** A parsed JSON value with every text and key clean as by `cleanText`; what is nested below `depthMax` levels becomes a text that says so. */
export function cleanJson(value: unknown, depthMax = JSON_LEVELS_MAX): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (value === null || typeof value !== 'object') return value;
  if (depthMax <= 0) return tooDeep;
  if (Array.isArray(value)) return value.map((item) => cleanJson(item, depthMax - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), cleanJson(item, depthMax - 1)]));
}
