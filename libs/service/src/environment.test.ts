import { describe, expect, test } from '@jest/globals';
import { ClusterEnvironment } from './environment.ts';

const valid = { DATABASE_URL: 'postgresql://user@host/database', KAFKA_BROKERS: 'host:9092', REDIS_URL: 'redis://host:6379', SERVICE_TOKEN: 'token' };
const problems = (environment: object) => ClusterEnvironment.safeParse(environment).error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? [];

describe('the environment of a service', () => {
  test.each([{}, { DATABASE_URL: 'postgres:///database?host=/run/postgresql' }, { REDIS_URL: 'rediss://:secret@host' }])('says where its servers are: %j', (given) => {
    expect(problems({ ...valid, ...given })).toEqual([]);
  });

  test.each([
    ['DATABASE_URL', 'host:5432'],
    ['DATABASE_URL', 'mysql://host/database'],
    ['DATABASE_URL', 'postgresql://'],
    ['REDIS_URL', 'host:6379'],
    ['REDIS_URL', 'http://host:6379'],
  ])('with the %s %s is refused at once, rather than waited for', (name, value) => {
    expect(problems({ ...valid, [name]: value })).toEqual([expect.stringMatching(`^${name} must be such as `)]);
  });

  test('names all that is missing', () => {
    expect(problems({}).map((problem) => problem.split(' ')[0])).toEqual(['DATABASE_URL', 'KAFKA_BROKERS', 'REDIS_URL', 'SERVICE_TOKEN']);
  });
});
