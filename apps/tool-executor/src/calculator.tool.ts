import type { ToolResult } from '@nightshift/contracts';
import { Decimal } from 'decimal.js';
import { type Expression, ExpressionError, parseExpression } from './expression.ts';

const SIGNIFICANT_DIGITS = 34;
const GUARD_DIGITS = 8;
const EXPONENT_MAX = 5000;
const FACTORIAL_MAX = 1000;
const ANGLE_MAX = 1e15;

// Bounds on digits and exponents bound the work of every operation.
const Number34 = Decimal.clone({ precision: SIGNIFICANT_DIGITS + GUARD_DIGITS, maxE: EXPONENT_MAX, minE: -EXPONENT_MAX, toExpPos: SIGNIFICANT_DIGITS, toExpNeg: -SIGNIFICANT_DIGITS });
type Value = InstanceType<typeof Number34>;

const PI = Number34.acos(-1);
const CONSTANTS: Readonly<Record<string, Value>> = { pi: PI, e: Number34.exp(1), tau: PI.times(2) };

interface Operation {
  /** How many values it takes: at least, at most. */
  readonly takes: readonly [number, number];
  readonly of: (...values: Value[]) => Value;
}

const one = (of: (x: Value) => Value): Operation => ({ takes: [1, 1], of: (x) => of(x as Value) });
const two = (of: (x: Value, y: Value) => Value): Operation => ({ takes: [2, 2], of: (x, y) => of(x as Value, y as Value) });
const many = (of: (values: Value[]) => Value): Operation => ({ takes: [1, Infinity], of: (...values) => of(values) });
// A tiny rest of rounding would hide that sin(pi) is 0.
const ofAngle = (of: (x: Value) => Value): Operation => one((x) => of(angle(x)).toDecimalPlaces(SIGNIFICANT_DIGITS + 2));

const OPERATIONS: Readonly<Record<string, Operation>> = {
  add: two((x, y) => x.plus(y)),
  subtract: two((x, y) => x.minus(y)),
  multiply: two((x, y) => x.times(y)),
  divide: two((x, y) => x.div(divisor(y))),
  mod: two((x, y) => x.mod(divisor(y))),
  negate: one((x) => x.neg()),
  percent: one((x) => x.div(100)),
  pow: two((x, y) => (x.isZero() && y.isNegative() ? x.div(divisor(x)) : x.pow(y))),
  factorial: one(factorial),
  abs: one((x) => x.abs()),
  sign: one((x) => new Number34(Number34.sign(x))),
  sqrt: one((x) => x.sqrt()),
  cbrt: one((x) => x.cbrt()),
  exp: one((x) => x.exp()),
  ln: one((x) => x.ln()),
  log: { takes: [1, 2], of: (x, base) => (x as Value).log(base ?? 10) },
  log2: one((x) => x.log(2)),
  log10: one((x) => x.log(10)),
  sin: ofAngle((x) => x.sin()),
  cos: ofAngle((x) => x.cos()),
  tan: ofAngle((x) => x.tan()),
  asin: one((x) => x.asin()),
  acos: one((x) => x.acos()),
  atan: one((x) => x.atan()),
  atan2: two((y, x) => Number34.atan2(y, x)),
  floor: one((x) => x.floor()),
  ceil: one((x) => x.ceil()),
  trunc: one((x) => x.trunc()),
  round: { takes: [1, 2], of: (x, places) => (x as Value).toDecimalPlaces(places ? wholeNumber(places, EXPONENT_MAX) : 0) },
  min: many((values) => Number34.min(...values)),
  max: many((values) => Number34.max(...values)),
  sum: many((values) => Number34.sum(...values)),
  mean: many((values) => Number34.sum(...values).div(values.length)),
};

/** Calculates an expression in decimal arithmetic, so that 0.1 + 0.2 is 0.3. What cannot be calculated is an error for the model. */
export function calculate(expression: string): ToolResult {
  try {
    return { isError: false, content: { expression, result: shown(valueOf(parseExpression(expression))) } };
  } catch (err) {
    if (!(err instanceof ExpressionError)) throw err;
    return { isError: true, errorCode: 'invalid_arguments', content: { error: 'invalid_arguments', message: `The expression cannot be calculated: ${err.message}.` } };
  }
}

function valueOf(expression: Expression): Value {
  if (expression.kind === 'number') return checked(new Number34(expression.text), expression.text);
  const { name } = expression;
  if (expression.kind === 'constant') {
    const constant = Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name] : undefined;
    if (!constant) throw new ExpressionError(`there is no constant "${name}"; there are ${Object.keys(CONSTANTS).join(', ')}`);
    return constant;
  }
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
  if (!operation) throw new ExpressionError(`there is no function "${name}"; there are ${Object.keys(OPERATIONS).join(', ')}`);
  const { values } = expression;
  const [least, most] = operation.takes;
  if (values.length < least || values.length > most) throw new ExpressionError(`${name} takes ${most === Infinity ? `at least ${least}` : least === most ? least : `${least} to ${most}`} values, not ${values.length}`);
  return checked(operation.of(...values.map(valueOf)), name);
}

function checked(value: Value, what: string): Value {
  if (value.isNaN()) throw new ExpressionError(`${what} gives no real number here`);
  if (!value.isFinite()) throw new ExpressionError(`${what} gives a number above 10^${EXPONENT_MAX}`);
  return value;
}

function shown(value: Value): string {
  const rounded = value.toSignificantDigits(SIGNIFICANT_DIGITS);
  return rounded.isZero() ? '0' : rounded.toString();
}

function divisor(value: Value): Value {
  if (value.isZero()) throw new ExpressionError('it divides by zero');
  return value;
}

function wholeNumber(value: Value, max: number): number {
  if (!value.isInteger() || value.isNegative() || value.gt(max)) throw new ExpressionError(`${shown(value)} is no whole number from 0 to ${max}`);
  return value.toNumber();
}

function factorial(value: Value): Value {
  let product = new Number34(1);
  for (let factor = wholeNumber(value, FACTORIAL_MAX); factor > 1; factor -= 1) product = product.times(factor);
  return product;
}

function angle(value: Value): Value {
  if (value.abs().gt(ANGLE_MAX)) throw new ExpressionError(`an angle of more than ${ANGLE_MAX} has no meaning`);
  return value;
}
