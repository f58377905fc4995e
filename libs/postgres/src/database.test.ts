import { describe, expect, test } from '@jest/globals';
import { isInfrastructure } from './database.ts';

const withCode = (code: string, message = 'failed') => Object.assign(new Error(message), { code });

describe('the database itself is the trouble', () => {
  test.each(['08006', '08P01', '40001', '40P01', '53300', '57P01', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EPIPE'])('for the code %s', (code) => {
    expect(isInfrastructure(withCode(code))).toBe(true);
  });

  test.each(['Connection terminated unexpectedly', 'timeout exceeded when trying to connect', 'Client has encountered a connection error and is not queryable', 'Cannot use a pool after calling end on the pool'])('for the text "%s", which comes without a code', (message) => {
    expect(isInfrastructure(new Error(message))).toBe(true);
  });

  test('when it is the cause of another error, however deep', () => {
    expect(isInfrastructure(new Error('while committing', { cause: new Error('while writing', { cause: withCode('ECONNRESET') }) }))).toBe(true);
  });

  test('when one of several addresses failed that way', () => {
    expect(isInfrastructure(new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]))).toBe(true);
  });
});

describe('the statement is the trouble', () => {
  test.each(['23505', '22021', '22P02', '22P05', '42P01', '21000', '42601'])('for the code %s', (code) => {
    expect(isInfrastructure(withCode(code))).toBe(false);
  });

  test.each([['an error without a code', new Error('no such tool')], ['a text', 'ECONNREFUSED'], ['nothing', undefined], ['a code that is a number', Object.assign(new Error('x'), { code: 57014 })]])('for %s', (_, err) => {
    expect(isInfrastructure(err)).toBe(false);
  });
});
