import { describe, expect, test } from '@jest/globals';
import { PoolUrls } from './pool-urls.ts';

describe('addresses of pools', () => {
  const urlsOf = PoolUrls.parse('acme=http://10.0.0.7:8080, acme=http://10.0.0.8:8080, *=https://engine-{pool}.internal');

  test('are those of the pool, however many', () => {
    expect(urlsOf('acme')).toEqual(['http://10.0.0.7:8080', 'http://10.0.0.8:8080']);
  });

  test('follow the scheme where the pool has none of its own', () => {
    expect(urlsOf('globex')).toEqual(['https://engine-globex.internal']);
  });

  test('are unknown without a scheme', () => {
    expect(PoolUrls.parse('acme=http://10.0.0.7:8080')('globex')).toEqual([]);
  });

  test.each(['http://10.0.0.7:8080', 'Acme=http://10.0.0.7', 'shared=http://10.0.0.7', 'acme=', 'acme=10.0.0.7:8080', 'acme=ftp://10.0.0.7'])('are refused as %s', (text) => {
    expect(PoolUrls.safeParse(text).success).toBe(false);
  });
});
