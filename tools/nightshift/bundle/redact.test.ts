import { describe, expect, test } from '@jest/globals';
import { redact, secretsIn, shownConfiguration } from './redact.ts';

const env = {
  PORT: '8080',
  WORK_LEASE_MS: '15000',
  WEBHOOK_RETRY_SECONDS: '5,30',
  DATABASE_URL: 'postgresql://user:pg%2Dpassword@db.internal:5432/nightshift?sslpassword=hidden-1',
  REDIS_URL: 'redis://:redis-password@cache:6379/0',
  KAFKA_BROKERS: 'k1:9092,k2:9092',
  KAFKA_SASL_PASSWORD: 'sasl-password',
  UPSTREAM_BASE_URL: 'https://models.example/v1/key-in-the-path',
  UPSTREAM_API_KEY: 'upstream-key',
  ADMIN_TOKEN: 'admin-token-value',
  SERVICE_TOKENS: 'runs:token-of-runs,billing:token-of-billing',
  HOME: '/home/somebody',
  AWS_SECRET_ACCESS_KEY: 'not-ours-but-secret',
};

describe('the configuration in a bundle', () => {
  const told = shownConfiguration(env);

  test('tells behaviour as it is, addresses by host and port, and of the rest that it is set', () => {
    expect(told).toEqual({
      PORT: '8080',
      WORK_LEASE_MS: '15000',
      WEBHOOK_RETRY_SECONDS: '5,30',
      DATABASE_URL: 'postgresql://db.internal:5432',
      REDIS_URL: 'redis://cache:6379',
      KAFKA_BROKERS: 'k1:9092,k2:9092',
      KAFKA_SASL_PASSWORD: '(set)',
      UPSTREAM_BASE_URL: 'https://models.example',
      UPSTREAM_API_KEY: '(set)',
      ADMIN_TOKEN: '(set)',
      SERVICE_TOKENS: '(set)',
    });
  });

  test('tells nothing that is empty, and nothing that it cannot take apart', () => {
    expect(shownConfiguration({ LOG_LEVEL: '', DATABASE_URL: 'host=db password=secret', KAFKA_BROKERS: 'k1:9092, user:secret@k2:9092' })).toEqual({ DATABASE_URL: '(set)', KAFKA_BROKERS: 'k1:9092,(set)' });
  });
});

describe('secrets', () => {
  test('of an environment are struck out wherever they stand, also as JSON spells them', () => {
    const secrets = secretsIn({ ...env, UPSTREAM_API_KEY: 'quo"ted\\key' });
    const text = `pg-password pg%2Dpassword redis-password sasl-password admin-token-value token-of-billing not-ours-but-secret ${JSON.stringify({ key: 'quo"ted\\key' })}`;
    expect(redact(text, secrets).replaceAll('[redacted]', '').replaceAll(' ', '')).toBe('{"key":""}');
  });

  test('do not include what says how the product behaves, or a number would be struck out everywhere', () => {
    expect(secretsIn({ WORK_LEASE_MS: '150000', LOG_LEVEL: 'silent', RATE_LIMIT_RPM: '600000' })).toEqual([]);
  });

  test.each([
    'sk-ns-abcdefgh12345678',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'Authorization: Bearer abc.def-ghi_jkl',
    'postgresql://user:pa55word@host/db',
    '-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  ])('that nobody named are known by their look: %s', (text) => {
    expect(redact(`before ${text} after`, [])).toMatch(/^before .*\[redacted\].* after$/s);
    expect(redact(text, [])).not.toMatch(/abcdefgh|MfKQ|abc\.def|pa55word|MIIabc|eyJzdWI/);
  });

  test('leave ids and addresses alone', () => {
    const text = 'run_0123456789abcdef0123456789abcdef org_default http://runs:8080/ready 2026-11-22T10:00:00.000Z';
    expect(redact(text, [])).toBe(text);
  });
});
