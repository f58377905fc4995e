const LENGTH_MAX = 256;
const DEPTH_MAX = 16;

/** A text that matches a regular expression, built by reading the expression once and never by running it; null when it uses what cannot be built that way. */
export function samplePattern(pattern: string): string | null {
  let at = 0;

  const alternatives = (depth: number): string | null => {
    let found: string | null = null;
    for (;;) {
      const text = sequence(depth);
      if (text === null) return null;
      found ??= text;
      if (pattern[at] !== '|') return found;
      at += 1;
    }
  };

  const sequence = (depth: number): string | null => {
    let text = '';
    while (at < pattern.length && pattern[at] !== '|' && pattern[at] !== ')') {
      const piece = atom(depth);
      if (piece === null) return null;
      const times = quantifier();
      if (times === null || text.length + piece.length * times > LENGTH_MAX) return null;
      text += piece.repeat(times);
    }
    return text;
  };

  const atom = (depth: number): string | null => {
    const char = pattern[at++]!;
    if (char === '^' || char === '$') return '';
    if (char === '.') return 'x';
    if (char === '[') return set();
    if (char === '\\') return escaped();
    if (char === '(') return depth < DEPTH_MAX ? group(depth + 1) : null;
    return '*+?{'.includes(char) ? null : char;
  };

  const group = (depth: number): string | null => {
    const opening = /\?(?::|<[A-Za-z_]\w*>)/y;
    opening.lastIndex = at;
    if (pattern[at] === '?') {
      if (!opening.test(pattern)) return null;
      at = opening.lastIndex;
    }
    const text = alternatives(depth);
    return pattern[at++] === ')' ? text : null;
  };

  const escaped = (): string | null => {
    const char = pattern[at++];
    if (char === undefined) return null;
    if (char === 'b') return '';
    const known = classes[char];
    if (known !== undefined) return known;
    return /\w/.test(char) ? null : char;
  };

  /** One character of a set; of a negated one the first of a few that is not named in it. */
  const set = (): string | null => {
    const isNegated = pattern[at] === '^';
    if (isNegated) at += 1;
    const start = at;
    while (at < pattern.length && (pattern[at] !== ']' || at === start)) at += pattern[at] === '\\' ? 2 : 1;
    const body = pattern.slice(start, at);
    if (pattern[at++] !== ']') return null;
    if (isNegated) return [...'x0-_ ~'].find((char) => !excludes(body, char)) ?? null;
    if (body[0] !== '\\') return body[0] ?? null;
    return classes[body[1] ?? ''] ?? (/\w/.test(body[1] ?? 'a') ? null : (body[1] ?? null));
  };

  const quantifier = (): number | null => {
    const found = /[*+?]|\{(\d+)(?:,\d*)?\}/y;
    found.lastIndex = at;
    const match = found.exec(pattern);
    if (!match) return pattern[at] === '{' ? null : 1;
    at = found.lastIndex;
    if (pattern[at] === '?') at += 1;
    if (match[1] !== undefined) return Number(match[1]);
    return match[0] === '+' ? 1 : 0;
  };

  const text = alternatives(0);
  return at === pattern.length ? text : null;
}

const classes: Readonly<Record<string, string>> = { d: '1', w: 'a', s: ' ', D: 'x', W: '-', S: 'x', n: '\n', t: '\t', r: '\r' };

/** Whether a set's body may name the character: a range counts as naming all between its ends. */
function excludes(body: string, char: string): boolean {
  if (body.includes(char)) return true;
  if (/\\w/.test(body) && /\w/.test(char)) return true;
  if (/\\d/.test(body) && /\d/.test(char)) return true;
  if (/\\s/.test(body) && /\s/.test(char)) return true;
  return [...body.matchAll(/(.)-(.)/gs)].some(([, from, to]) => from! <= char && char <= to!);
}
