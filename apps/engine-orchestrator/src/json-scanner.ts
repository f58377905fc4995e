export type Bracket = '{' | '[';

/** Where in a JSON text the next character stands. */
type Expected = 'value' | 'first value' | 'first key' | 'key' | 'colon' | 'comma' | 'end';

/** A value that began: a string of either kind, or a number or literal. */
type Token = 'text' | 'key' | 'bare';

const BARE = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const BARE_BEGINS = /[-\d tfn]/;
const BARE_CHARS_MAX = 512;
const BLANK = /[ \t\n\r]/;
const HEX = /[\da-fA-F]/;

/**
 * Reads a JSON text that arrives in pieces, and knows after each how much of it may be shown: up to a place where the
 * text can be closed by adding to it alone, which is never inside an escape, a key, a number, a literal or a surrogate pair.
 */
export class JsonScanner {
  readonly #stack: Bracket[];
  #expected: Expected;
  #token: Token | undefined;
  #bare = '';
  /** Characters of an escape still to come; 1 right after the backslash. */
  #escape = 0;
  #unicode = '';
  #highEnd = false;
  #unshown = '';
  /** Whether what was shown ends in an object that has no key yet. */
  #isEmpty: boolean;
  #depthMin: number;
  #isBroken = false;

  /** Goes on after a text that has opened `stack` and whose last character is `last`; without them at the beginning of a text. */
  constructor(stack: readonly Bracket[] = [], last = '') {
    this.#stack = [...stack];
    this.#depthMin = stack.length;
    this.#isEmpty = last === '{';
    this.#expected = last === '' ? 'value' : last === '{' ? 'first key' : last === '[' ? 'first value' : stack.length === 0 ? 'end' : 'comma';
  }

  /** Brackets that are open. */
  get stack(): readonly Bracket[] {
    return this.#stack;
  }

  /** The fewest brackets that were open at any time. */
  get depthMin(): number {
    return this.#depthMin;
  }

  /** True once the text is no JSON. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** True when a whole value was read and nothing is left open. */
  get isWhole(): boolean {
    return this.#expected === 'end' && !this.#isBroken;
  }

  /** Takes the next piece; returns what may be shown now of what was held back and of the piece. */
  push(piece: string): string {
    const text = this.#unshown + piece;
    let safe = 0;
    for (let at = this.#unshown.length; at < text.length && !this.#isBroken; at += 1) {
      if (this.#token === 'text' && this.#escape === 0 && !this.#highEnd) safe = at = skipPlain(text, at);
      if (at === text.length) break;
      this.#take(text[at] as string);
      if (!this.#isSafe) continue;
      safe = at + 1;
      this.#isEmpty = this.#expected === 'first key';
    }
    this.#unshown = text.slice(safe);
    return text.slice(0, safe);
  }

  /** What closes the text that was shown, down to `depth` open brackets; `into` is put into the outermost object that it closes. */
  closing(depth: number, into = ''): string {
    let closed = this.#token === 'text' ? '"' : '';
    let isEmpty = this.#isEmpty;
    const outermost = this.#stack.findIndex((bracket, index) => index >= depth && bracket === '{');
    for (let index = this.#stack.length - 1; index >= depth; index -= 1) {
      if (index === outermost && into !== '') closed += isEmpty ? into : `,${into}`;
      closed += this.#stack[index] === '{' ? '}' : ']';
      isEmpty = false;
    }
    return closed;
  }

  get #isSafe(): boolean {
    if (this.#isBroken) return false;
    if (this.#token !== undefined) return this.#token === 'text' && this.#escape === 0 && !this.#highEnd;
    return this.#expected === 'first value' || this.#expected === 'first key' || this.#expected === 'comma' || this.#expected === 'end';
  }

  #take(char: string): void {
    if (this.#token === 'bare') {
      if (!BLANK.test(char) && !',]}'.includes(char)) return this.#growBare(char);
      if (!BARE.test(this.#bare)) return this.#break();
      this.#endToken();
    }
    if (this.#token !== undefined) return this.#takeInString(char);
    if (BLANK.test(char)) return;
    switch (this.#expected) {
      case 'first value':
        return char === ']' ? this.#close('[') : this.#beginValue(char);
      case 'value':
        return this.#beginValue(char);
      case 'first key':
        return char === '}' ? this.#close('{') : this.#beginKey(char);
      case 'key':
        return this.#beginKey(char);
      case 'colon':
        return char === ':' ? this.#expect('value') : this.#break();
      case 'comma':
        return char === ',' ? this.#expect(this.#stack.at(-1) === '{' ? 'key' : 'value') : char === '}' ? this.#close('{') : char === ']' ? this.#close('[') : this.#break();
      default:
        return this.#break();
    }
  }

  #takeInString(char: string): void {
    const code = char.charCodeAt(0);
    if (this.#escape === 1) {
      if (char === 'u') this.#escape = 5;
      else if ('"\\/bfnrt'.includes(char)) this.#escape = 0;
      else return this.#break();
      if (char !== 'u') this.#highEnd = false;
      this.#unicode = '';
    } else if (this.#escape > 1) {
      if (!HEX.test(char)) return this.#break();
      this.#unicode += char;
      this.#escape -= 1;
      if (this.#escape > 1) return;
      this.#escape = 0;
      this.#highEnd = isHigh(Number.parseInt(this.#unicode, 16));
    } else if (char === '\\') this.#escape = 1;
    else if (char === '"') this.#endToken();
    else if (code < 0x20) this.#break();
    else this.#highEnd = isHigh(code);
  }

  #growBare(char: string): void {
    this.#bare += char;
    if (this.#bare.length > BARE_CHARS_MAX) this.#break();
  }

  #beginKey(char: string): void {
    if (char === '"') this.#token = 'key';
    else this.#break();
  }

  #beginValue(char: string): void {
    if (char === '"') this.#token = 'text';
    else if (char === '{' || char === '[') {
      this.#stack.push(char);
      this.#expect(char === '{' ? 'first key' : 'first value');
    } else if (BARE_BEGINS.test(char)) {
      this.#token = 'bare';
      this.#bare = char;
    } else this.#break();
  }

  #endToken(): void {
    this.#highEnd = false;
    const expected = this.#token === 'key' ? 'colon' : this.#stack.length === 0 ? 'end' : 'comma';
    this.#token = undefined;
    this.#expect(expected);
  }

  #close(bracket: Bracket): void {
    if (this.#stack.at(-1) !== bracket) return this.#break();
    this.#stack.pop();
    this.#depthMin = Math.min(this.#depthMin, this.#stack.length);
    this.#expect(this.#stack.length === 0 ? 'end' : 'comma');
  }

  #expect(expected: Expected): void {
    this.#expected = expected;
  }

  #break(): void {
    this.#isBroken = true;
  }
}

const NOT_PLAIN = /[^ !#-[\]-\ud7ff\ue000-\uffff]/g;

/** The next place at or after `from` inside a string where something else than plain text stands. */
function skipPlain(text: string, from: number): number {
  NOT_PLAIN.lastIndex = from;
  return NOT_PLAIN.exec(text)?.index ?? text.length;
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
