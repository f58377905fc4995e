import { describe, expect, test } from '@jest/globals';
import { queryInteger } from './query-integer.ts';

describe('an integer of a query', () => {
  const limit = queryInteger(1, 100);

  test.each([['1', 1], ['100', 100], ['007', 7]])('%j is taken', (given, value) => {
    expect(limit.parse(given)).toBe(value);
  });

  test.each(['', ' ', ' 1', '+1', '-1', '1.0', '1e1', '0x10', '1_0', '٣', 'NaN', '0', '101', '9007199254740993'])('%j is not', (given) => {
    expect(limit.safeParse(given).success).toBe(false);
  });

  test('a parameter that is given twice is not', () => {
    expect(limit.safeParse(['1', '2']).error?.issues[0]?.message).toBe('must be an integer from 1 to 100');
  });
});
