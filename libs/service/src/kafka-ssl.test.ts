import { expect, test } from '@jest/globals';
import { kafkaSsl } from './kafka-ssl.ts';

test('without an authority or a certificate, TLS is on or off', () => {
  expect(kafkaSsl({})).toBe(false);
  expect(kafkaSsl({ KAFKA_SSL_ENABLED: false })).toBe(false);
  expect(kafkaSsl({ KAFKA_SSL_ENABLED: true })).toBe(true);
});

test('an authority turns TLS on, and is the only one that is believed', () => {
  expect(kafkaSsl({ KAFKA_SSL_CA: 'authority' })).toEqual({ ca: ['authority'] });
});

test('a certificate is shown with its key', () => {
  expect(kafkaSsl({ KAFKA_SSL_CERT: 'certificate', KAFKA_SSL_KEY: 'key' })).toEqual({ cert: 'certificate', key: 'key' });
  expect(kafkaSsl({ KAFKA_SSL_CA: 'authority', KAFKA_SSL_CERT: 'certificate', KAFKA_SSL_KEY: 'key' })).toEqual({ ca: ['authority'], cert: 'certificate', key: 'key' });
});
