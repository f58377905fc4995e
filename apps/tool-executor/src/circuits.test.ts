import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Circuits } from './circuits.ts';

function failing(circuits: Circuits, host: string, times: number, nowMs: number): void {
  for (let at = 0; at < times; at += 1) circuits.failed(host, nowMs);
}

test('a host’s calls are made until it could not be connected to five times in a row', () => {
  const circuits = new Circuits();
  failing(circuits, 'a', 4, 0);
  expect(circuits.heldOffMs('a', 0)).toBe(0);
  circuits.connected('a');
  failing(circuits, 'a', 4, 0);
  expect(circuits.heldOffMs('a', 0)).toBe(0);
  circuits.failed('a', 0);
  expect([circuits.heldOffMs('a', 0), circuits.heldOffMs('a', 4999), circuits.heldOffMs('b', 0)]).toEqual([5000, 1, 0]);
});

test('after a pause one call finds out for all; another failure makes the next pause longer, up to a minute', () => {
  const circuits = new Circuits();
  failing(circuits, 'a', 5, 0);
  let now = 5000;
  const pauses = [1, 2, 3, 4, 5].map(() => {
    expect(circuits.heldOffMs('a', now)).toBe(0);
    expect(circuits.heldOffMs('a', now)).toBeGreaterThan(0);
    circuits.failed('a', now);
    const pauseMs = circuits.heldOffMs('a', now);
    now += pauseMs;
    return pauseMs;
  });
  expect(pauses).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  expect(circuits.heldOffMs('a', now)).toBe(0);
  circuits.connected('a');
  expect([circuits.heldOffMs('a', now), circuits.heldOffMs('a', now), circuits.failures('a')]).toEqual([0, 0, 0]);
});

test('the one that finds out may give up, and then the next one does', () => {
  const circuits = new Circuits();
  failing(circuits, 'a', 5, 0);
  expect([circuits.heldOffMs('a', 5000), circuits.heldOffMs('a', 5000)]).toEqual([0, 1000]);
  circuits.gaveUp('a');
  expect([circuits.heldOffMs('a', 5000), circuits.heldOffMs('a', 5000)]).toEqual([0, 1000]);
});

test('failures of calls that were under way when the pause began do not make it longer', () => {
  const circuits = new Circuits();
  failing(circuits, 'a', 64, 0);
  expect(circuits.heldOffMs('a', 0)).toBe(5000);
});

test('a host that is well is never held off, whatever happens to others', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('x', 'y', 'well'), fc.constantFrom('failed', 'connected', 'gaveUp', 'ask'), fc.integer({ min: 0, max: 90_000 })), { maxLength: 200 }), (events) => {
      const circuits = new Circuits();
      let now = 0;
      for (const [host, what, laterMs] of events) {
        now += laterMs;
        if (what === 'failed' && host !== 'well') circuits.failed(host, now);
        else if (what === 'connected') circuits.connected(host);
        else if (what === 'gaveUp') circuits.gaveUp(host);
        else if (circuits.heldOffMs(host, now) > 60_000) throw new Error('held off for longer than a minute');
        expect(circuits.heldOffMs('well', now)).toBe(0);
      }
    }),
  );
});

test('what is remembered is bounded', () => {
  const circuits = new Circuits();
  failing(circuits, 'first', 5, 0);
  for (let at = 0; at < 10_000; at += 1) circuits.failed(`host ${at}`, 0);
  expect([circuits.failures('first'), circuits.failures('host 0'), circuits.failures('host 9999')]).toEqual([0, 1, 1]);
});
