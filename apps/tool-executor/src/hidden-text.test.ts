import { expect, test } from '@jest/globals';
import { hide, secretsOf } from './hidden-text.ts';

const secrets = secretsOf([{ authorization: 'Bearer canary-token' }, { key: 'canary-default', nested: [{ pin: 123456 }], flag: true, unit: 'cm', none: null }]);

test('credentials are hidden wherever an echo puts them', () => {
  const echo = { headers: { authorization: 'Bearer canary-token' }, token: 'canary-token', args: { key: 'canary-default', pin: 123456 }, 'canary-default': 1, list: ['see canary-default?'], text: '{"pin":123456}' };
  expect(hide(echo, secrets)).toEqual({
    headers: { authorization: '[hidden]' }, token: '[hidden]', args: { key: '[hidden]', pin: '[hidden]' }, '[hidden]': 1, list: ['see [hidden]?'], text: '{"pin":[hidden]}',
  });
});

test('what is too short to be told from other text stays', () => {
  expect(hide({ unit: 'cm', flag: true, count: 12, none: null }, secrets)).toEqual({ unit: 'cm', flag: true, count: 12, none: null });
});
