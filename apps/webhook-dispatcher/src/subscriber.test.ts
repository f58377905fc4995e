import { describe, expect, test } from '@jest/globals';
import type { WebhookEventType, WebhookFilters } from '@nightshift/contracts';
import { eventFor, mayWant, type Subscriber, wantsMetadata } from './subscriber.ts';

const completedAt = '2026-01-16T20:54:12.500Z';
const run = { status: 'succeeded' as const, engine: 'tim', completedAt };
const subscriber = (more: Partial<Subscriber> = {}): Subscriber => ({ id: 'whs_1', callbackUrl: 'https://a/', eventTypes: ['job.succeeded'], filters: {}, activeSince: new Date(completedAt), ...more });

describe('a subscription', () => {
  test.each<[WebhookEventType[], 'job.succeeded' | 'job.failed' | 'job.canceled', string | undefined]>([
    [['job.succeeded'], 'job.succeeded', 'job.succeeded'],
    [['job.completed'], 'job.succeeded', 'job.completed'],
    [['job.completed', 'job.succeeded'], 'job.succeeded', 'job.succeeded'],
    [['job.completed'], 'job.failed', undefined],
    [['job.failed'], 'job.failed', 'job.failed'],
    [['job.succeeded', 'job.failed'], 'job.canceled', undefined],
    [['job.canceled'], 'job.canceled', 'job.canceled'],
  ])('to %j is told of %s as %s', (eventTypes, event, name) => {
    expect(eventFor({ eventTypes }, event)).toBe(name);
  });

  test('hears of a run that timed out as failed', () => {
    expect(mayWant(subscriber({ eventTypes: ['job.failed'] }), { ...run, status: 'timed_out' })).toBe(true);
  });

  test('hears of the engines that it names, as the runs name them', () => {
    expect(mayWant(subscriber({ filters: { engines: ['tim-edge', 'tim'] } }), run)).toBe(true);
    expect(mayWant(subscriber({ filters: { engines: ['tim-edge'] } }), run)).toBe(false);
  });

  test('hears of no run that ended before it was there', () => {
    expect(mayWant(subscriber(), run)).toBe(true);
    expect(mayWant(subscriber({ activeSince: new Date('2026-01-16T20:54:12.501Z') }), run)).toBe(false);
  });

  test.each<[WebhookFilters['metadata'], Record<string, unknown> | null, boolean]>([
    [undefined, null, true],
    [{}, null, true],
    [{ team: 'a' }, { team: 'a', more: 1 }, true],
    [{ team: 'a', more: 1 }, { team: 'a', more: 1 }, true],
    [{ team: 'a', more: 1 }, { team: 'a', more: 2 }, false],
    [{ more: 1 }, { more: '1' }, false],
    [{ team: 'a' }, { team: ['a'] }, false],
    [{ team: null }, { team: null }, true],
    [{ team: null }, {}, false],
    [{ team: 'a' }, null, false],
    [{ toString: 'a' }, {}, false],
  ])('with the metadata filter %j and the metadata %j: %s', (metadata, given, wanted) => {
    expect(wantsMetadata(subscriber({ filters: metadata ? { metadata } : {} }), given)).toBe(wanted);
  });
});
