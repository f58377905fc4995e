import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { calculate } from './calculator.tool.ts';

const result = (expression: string) => (calculate(expression).content as { result: string }).result;

describe('the calculator', () => {
  test.each([
    ['0.1 + 0.2', '0.3'],
    ['1 + 2 * 3 - 4 / 8', '6.5'],
    ['(1 + 2) * 3', '9'],
    ['2 ^ 3 ^ 2', '512'],
    ['-2 ^ 2', '-4'],
    ['2 ** -1', '0.5'],
    ['--3 - +2', '1'],
    ['10 % 4', '2'],
    ['15% * 80', '12'],
    ['200 + 10%', '200.1'],
    ['5!', '120'],
    ['3!!', '720'],
    ['1.5e3 + .5', '1500.5'],
    ['7 × 6 ÷ 2 − 1', '20'],
    ['1 / 3', `0.${'3'.repeat(34)}`],
    ['sqrt(2) ^ 2', '2'],
    ['sin(pi)', '0'],
    ['sin(π / 6)', '0.5'],
    ['cos(0) + tan(pi / 4)', '2'],
    ['ln(e)', '1'],
    ['log(1000) + log(8, 2) + log2(4) + log10(10)', '9'],
    ['round(2.5) + round(3.14159, 2)', '6.14'],
    ['floor(-1.5) + ceil(1.2) + trunc(-1.9)', '-1'],
    ['min(3, 1, 2) + max(3, 1, 2) + sum(1, 2, 3) + mean(1, 2, 3)', '12'],
    ['ABS(-3) + sign(-9)', '2'],
    ['99999999999999999999 + 1', '100000000000000000000'],
    ['2 ^ 200', '1.606938044258990275541962092341163e+60'],
    ['0 * -1', '0'],
  ])('gives %s = %s', (expression, expected) => {
    expect(result(expression)).toBe(expected);
  });

  test.each([
    ['1 / 0', 'divides by zero'],
    ['5 % 0', 'divides by zero'],
    ['0 ^ -1', 'divides by zero'],
    ['sqrt(-1)', 'no real number'],
    ['ln(-1)', 'no real number'],
    ['9 ^ 9 ^ 9 ^ 9', 'above'],
    ['exp(1e4000)', 'above'],
    ['1e6000', 'above'],
    ['1001!', 'whole number'],
    ['2.5!', 'whole number'],
    ['round(1, 1e9)', 'whole number'],
    ['sin(1e300)', 'angle'],
    ['1 +', 'ends too early'],
    ['(1', 'ends too early'],
    ['1 2', '"2" at character 3'],
    ['* 2', '"*" at character 1'],
    ['1)', '")" at character 2'],
    ['()', '")" at character 2'],
    ['1 ; 2', '";"'],
    ['constructor', 'no constant'],
    ['constructor(1)', 'no function'],
    ['process.exit(1)', '"."'],
    ['sin()', '")" at character 5'],
    ['sin(1, 2)', 'takes 1 values'],
    [`${'('.repeat(200)}1${')'.repeat(200)}`, 'levels deep'],
    ['-'.repeat(500), 'levels deep'],
    [`2${'^2'.repeat(400)}`, 'levels deep'],
  ])('says of %s what is wrong with it', (expression, words) => {
    expect(calculate(expression)).toMatchObject({ isError: true, errorCode: 'invalid_arguments', content: { message: expect.stringContaining(words) } });
  });

  test('agrees with whole numbers, however they are nested', () => {
    const tree = fc.letrec<{ node: { text: string; value: bigint } }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.integer({ min: 0, max: 99 }).map((value) => ({ text: String(value), value: BigInt(value) })),
        fc.tuple(tie('node'), fc.constantFrom('+', '-', '*'), tie('node')).map(([left, operator, right]) => ({
          text: `(${left.text} ${operator} ${right.text})`,
          value: operator === '+' ? left.value + right.value : operator === '-' ? left.value - right.value : left.value * right.value,
        })),
      ),
    }));
    fc.assert(fc.property(tree.node, ({ text, value }) => expect(result(text)).toBe(String(value))));
  });

  test('answers any text at all with a result or with what is wrong', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789.e+-*/%^!(), pi', 'sin(', 'ln(', 'factorial('), maxLength: 60 });
    fc.assert(fc.property(text, (expression) => expect(calculate(expression).isError).toEqual(expect.any(Boolean))));
  });
});
