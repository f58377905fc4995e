/** An arithmetic expression as a tree; numbers are kept as they are written. */
export type Expression =
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'constant'; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly values: readonly Expression[] };

/** An expression that cannot be read; the message says where and why, for the model. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

interface Token {
  readonly text: string;
  readonly at: number;
}

const TOKEN = /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-zπ][A-Za-z0-9]*)|(\*\*|[-+*/%^!(),]))/y;
const SPELLINGS: ReadonlyMap<string, string> = new Map([['**', '^'], ['π', 'pi']]);
const BINARY: Readonly<Record<string, string>> = { '+': 'add', '-': 'subtract', '*': 'multiply', '/': 'divide', '%': 'mod' };
const DEPTH_MAX = 100;

/**
 * Reads an expression: + - * / % (remainder, or a hundredth where no value follows) ^ (to the right, before a sign) and !
 * become calls of functions. Throws ExpressionError. Takes time in proportion to the text.
 */
export function parseExpression(text: string): Expression {
  const tokens = tokensOf(text.replaceAll('×', '*').replaceAll('÷', '/').replaceAll('−', '-'));
  let next = 0;
  let depth = 0;

  const peek = (): string | undefined => tokens[next]?.text;
  const isOneOf = (...wanted: readonly string[]): boolean => wanted.includes(peek() ?? '');
  const wrong = (): ExpressionError => {
    const token = tokens[next];
    return new ExpressionError(token ? `"${token.text}" at character ${token.at + 1} makes no sense there` : 'the expression ends too early');
  };

  function take(wanted?: string): string {
    const token = tokens[next];
    if (!token || (wanted !== undefined && token.text !== wanted)) throw wrong();
    next += 1;
    return token.text;
  }

  function leftToRight(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (isOneOf(...operators)) left = { kind: 'call', name: BINARY[take()] ?? '', values: [left, operand()] };
    return left;
  }

  function nested(read: () => Expression): Expression {
    depth += 1;
    if (depth > DEPTH_MAX) throw new ExpressionError(`the expression is nested more than ${DEPTH_MAX} levels deep`);
    const value = read();
    depth -= 1;
    return value;
  }

  const sum = (): Expression => nested(() => leftToRight(['+', '-'], product));
  const product = (): Expression => leftToRight(['*', '/', '%'], signed);

  function signed(): Expression {
    if (isOneOf('+')) {
      take();
      return nested(signed);
    }
    if (!isOneOf('-')) return power();
    take();
    return { kind: 'call', name: 'negate', values: [nested(signed)] };
  }

  function power(): Expression {
    const base = postfix();
    if (!isOneOf('^')) return base;
    take();
    return { kind: 'call', name: 'pow', values: [base, nested(signed)] };
  }

  function postfix(): Expression {
    let value = atom();
    for (;;) {
      if (isOneOf('!')) value = { kind: 'call', name: 'factorial', values: [value] };
      else if (isOneOf('%') && !startsValue(tokens[next + 1]?.text)) value = { kind: 'call', name: 'percent', values: [value] };
      else return value;
      take();
    }
  }

  function atom(): Expression {
    const text = take();
    if (text === '(') {
      const inner = sum();
      take(')');
      return inner;
    }
    if (/^[\d.]/.test(text)) return { kind: 'number', text };
    if (!/^[A-Za-z]/.test(text)) {
      next -= 1;
      throw wrong();
    }
    const name = text.toLowerCase();
    if (!isOneOf('(')) return { kind: 'constant', name };
    take('(');
    const values = [sum()];
    while (isOneOf(',')) {
      take();
      values.push(sum());
    }
    take(')');
    return { kind: 'call', name, values };
  }

  const expression = sum();
  if (next < tokens.length) throw wrong();
  return expression;
}

function startsValue(token: string | undefined): boolean {
  return token !== undefined && /^[\d.A-Za-z(]/.test(token);
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found) throw new ExpressionError(`"${text.slice(from).trimStart().slice(0, 1)}" cannot be part of an expression`);
    const token = found[1] ?? found[2] ?? found[3] ?? '';
    tokens.push({ text: SPELLINGS.get(token) ?? token, at: TOKEN.lastIndex - token.length });
  }
  return tokens;
}
