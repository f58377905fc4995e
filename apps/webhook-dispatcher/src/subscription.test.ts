import { describe, expect, test } from '@jest/globals';
import { CreateSubscription, UpdateSubscription } from '@nightshift/contracts';
import { DecryptError } from '@nightshift/std';
import { changed, created, opened, reencrypted, rotated, type Subscription, viewOf } from './subscription.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const keys = { current: key(1) };
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const make = (more: object = {}): Subscription => ({
  ...created({ id: 'whs_1', orgId: 'org_1', egressAllow: [], subscription: CreateSubscription.parse({ callbackUrl: 'https://a.example/hook', eventTypes: ['job.failed', 'job.failed'], ...more }) }, keys),
  previousUntil: null, disabledAt: null, activeSince: at(0), createdAt: at(0), updatedAt: at(0),
});
const change = (subscription: Subscription, changes: object) => changed(subscription, { changes: UpdateSubscription.parse(changes), egressAllow: ['10.0.0.0/8'] }, keys, at(9));

describe('a subscription', () => {
  test('holds its secret and headers encrypted, bound to organisation and id', () => {
    const subscription = make({ secret: 'a secret', headers: { 'x-b': '2', 'x-a': '1' } });
    expect(JSON.stringify(subscription)).not.toContain('a secret');
    expect(opened(subscription, keys)).toEqual({ secret: 'a secret', previousSecret: null, headers: { 'x-b': '2', 'x-a': '1' } });
    expect(subscription.headerNames).toEqual(['x-a', 'x-b']);
    for (const other of [{ id: 'whs_2' }, { orgId: 'org_2' }, { headers: subscription.secret }]) expect(() => opened({ ...subscription, ...other }, keys)).toThrow(DecryptError);
  });

  test('names each event once, and is shown without its secret unless it is given', () => {
    const subscription = make({ secret: 'a secret' });
    expect(viewOf(subscription)).toMatchObject({ eventTypes: ['job.failed'], secret: '********', filters: {}, headerNames: [], version: 1 });
    expect([viewOf(subscription, 'a secret').secret, viewOf(make()).secret]).toEqual(['a secret', null]);
  });

  test('that is changed keeps what is not named, and loses what is null', () => {
    const before = make({ secret: 'a secret', headers: { 'x-a': '1' }, description: 'Mine', retrySeconds: [1], ratePerMinute: 5, concurrency: 2, ordered: true, filters: { engines: ['tim'] } });
    expect(change(before, {})).toEqual(before);
    expect(change(before, { secret: null, headers: null, description: null, retrySeconds: null, ratePerMinute: null, concurrency: null, filters: null, ordered: false })).toEqual({
      ...before, secret: null, headers: null, headerNames: [], description: null, retrySeconds: null, ratePerMinute: null, concurrency: null, filters: {}, ordered: false,
    });
  });

  test('takes the ranges of its organisation with its address, and its headers to no other origin', () => {
    const before = make({ headers: { 'x-a': '1' } });
    expect(change(before, { callbackUrl: 'https://a.example/other' })).toMatchObject({ callbackUrl: 'https://a.example/other', egressAllow: ['10.0.0.0/8'], headerNames: ['x-a'] });
    expect(() => change(before, { callbackUrl: 'https://b.example/hook' })).toThrow(/headers/);
    expect(change(before, { callbackUrl: 'https://b.example/hook', headers: { 'x-b': '2' } }).headerNames).toEqual(['x-b']);
    expect(change(make(), { callbackUrl: 'https://b.example/hook' }).callbackUrl).toBe('https://b.example/hook');
  });

  test('hears only of runs that end after it was enabled', () => {
    const disabled = change(make(), { enabled: false });
    expect(disabled).toMatchObject({ enabled: false, disabledReason: 'by_request', disabledAt: at(9), activeSince: at(0) });
    expect(changed(disabled, { changes: { enabled: true }, egressAllow: [] }, keys, at(12))).toMatchObject({ enabled: true, disabledReason: null, disabledAt: null, activeSince: at(12) });
    expect(change(make(), { enabled: true }).activeSince).toEqual(at(0));
    expect(changed({ ...disabled, disabledReason: 'gone' }, { changes: { enabled: false }, egressAllow: [] }, keys, at(12))).toMatchObject({ disabledReason: 'gone', disabledAt: at(9) });
  });

  test('whose secret is changed by hand has no grace', () => {
    const after = change(rotated(make({ secret: 'the first' }), 'the second', 60, keys, at(1)), { secret: 'the third one' });
    expect(opened(after, keys)).toMatchObject({ secret: 'the third one', previousSecret: null });
    expect(after.previousUntil).toBeNull();
  });
});

describe('a rotated secret', () => {
  test('stands beside the one before for the grace, and not beside an older one', () => {
    const once = rotated(make({ secret: 'the first' }), 'the second', 60, keys, at(1));
    expect([opened(once, keys), once.previousUntil]).toMatchObject([{ secret: 'the second', previousSecret: 'the first' }, at(61)]);
    expect(opened(rotated(once, 'the third', 60, keys, at(2)), keys)).toMatchObject({ secret: 'the third', previousSecret: 'the second' });
  });

  test.each([['no secret before', undefined, 60], ['a grace of nothing', 'the first', 0]])('with %s stands alone', (_, secret, grace) => {
    const after = rotated(make({ secret }), 'the second', grace, keys, at(1));
    expect([opened(after, keys), after.previousUntil]).toMatchObject([{ secret: 'the second', previousSecret: null }, null]);
  });
});

test('what is encrypted anew opens without the key before', () => {
  const old = rotated(make({ secret: 'the first', headers: { 'x-a': '1' } }), 'the second', 60, keys, at(1));
  const anew = reencrypted(old, { current: key(2), previous: key(1) });
  expect(opened({ ...old, ...anew }, { current: key(2) })).toEqual({ secret: 'the second', previousSecret: 'the first', headers: { 'x-a': '1' } });
});
