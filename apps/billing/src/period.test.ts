import { describe, expect, test } from '@jest/globals';
import { AppError } from '@nightshift/contracts';
import { periodOf } from './period.ts';

const now = new Date('2026-12-31T23:59:59.999Z');
const iso = (query: Parameters<typeof periodOf>[0], at = now) => {
  const { from, to } = periodOf(query, at);
  return [from.toISOString(), to.toISOString()];
};

describe('a period', () => {
  test('is the current UTC month by default, over the end of a year too', () => {
    expect(iso({})).toEqual(['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
    expect(iso({}, new Date('2026-02-01T00:00:00.000Z'))).toEqual(['2026-02-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z']);
  });

  test('takes either bound on its own', () => {
    expect(iso({ from: '2026-12-24T00:00:00Z' })).toEqual(['2026-12-24T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
    expect(iso({ to: '2026-12-24T00:00:00Z' })).toEqual(['2026-12-01T00:00:00.000Z', '2026-12-24T00:00:00.000Z']);
  });

  test('reads offsets', () => {
    expect(iso({ from: '2026-12-01T01:00:00+01:00', to: '2026-12-01T00:00:00-02:00' })).toEqual(['2026-12-01T00:00:00.000Z', '2026-12-01T02:00:00.000Z']);
  });

  test('may be empty, and never ends before it begins', () => {
    expect(iso({ from: '2026-12-01T00:00:00Z', to: '2026-12-01T00:00:00Z' })).toHaveLength(2);
    const backwards = () => periodOf({ from: '2026-12-01T00:00:00.001Z', to: '2026-12-01T00:00:00Z' }, now);
    expect(backwards).toThrow(AppError);
    expect(backwards).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    expect(() => periodOf({ to: '2026-11-30T00:00:00Z' }, now)).toThrow(AppError);
  });
});
