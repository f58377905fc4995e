import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Breaker, OPEN_MS_MAX, type Verdict } from './breaker.ts';

const settings = { failures: 3, openMs: 1000 };
const fail = (breaker: Breaker, times: number, now = 0) => {
  for (let time = 0; time < times; time += 1) breaker.pass()('failed', now);
};

describe('a breaker', () => {
  test('is closed until so many requests in a row have failed, and one that succeeds begins the count anew', () => {
    const breaker = new Breaker(settings);
    fail(breaker, 2);
    breaker.pass()('well', 0);
    fail(breaker, 2);
    expect([breaker.isOpen, breaker.waitMs(0)]).toEqual([false, 0]);
    fail(breaker, 1);
    expect([breaker.isOpen, breaker.waitMs(0), breaker.waitMs(400)]).toEqual([true, 1000, 600]);
  });

  test('lets one request try when its time is over, and the others wait for what becomes of it', () => {
    const breaker = new Breaker(settings);
    fail(breaker, 3);
    expect(breaker.waitMs(1000)).toBe(0);
    const tried = breaker.pass();
    expect(breaker.waitMs(1000)).toBeGreaterThan(0);
    tried('well', 1001);
    expect([breaker.isOpen, breaker.waitMs(1001)]).toEqual([false, 0]);
    fail(breaker, 2, 1002);
    expect(breaker.isOpen).toBe(false);
  });

  test('stays open twice as long after each try that fails, up to half a minute', () => {
    const breaker = new Breaker(settings);
    fail(breaker, 3);
    const waits: number[] = [];
    for (let now = 0, tries = 0; tries < 8; tries += 1) {
      waits.push(breaker.waitMs(now));
      now += breaker.waitMs(now);
      breaker.pass()('failed', now);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, OPEN_MS_MAX, OPEN_MS_MAX, OPEN_MS_MAX]);
  });

  test('lets another one try when the first told nothing', () => {
    const breaker = new Breaker(settings);
    fail(breaker, 3);
    breaker.pass()('unknown', 1000);
    expect([breaker.isOpen, breaker.waitMs(1000)]).toEqual([true, 0]);
  });

  test('is not opened for longer by requests that began before it opened, but closed by one that succeeds', () => {
    const breaker = new Breaker(settings);
    const [late, later] = [breaker.pass(), breaker.pass()];
    fail(breaker, 3);
    late('failed', 900);
    expect(breaker.waitMs(900)).toBe(100);
    later('well', 950);
    expect(breaker.isOpen).toBe(false);
  });

  test('never keeps a server out for ever, whatever happens in whatever order', () => {
    const step = fc.record({ verdict: fc.constantFrom<Verdict>('well', 'failed', 'unknown'), later: fc.nat(5000), inFlight: fc.nat(4) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const breaker = new Breaker(settings);
        let now = 0;
        const under: ((verdict: Verdict, at: number) => void)[] = [];
        for (const { verdict, later, inFlight } of steps) {
          now += later;
          if (breaker.waitMs(now) === 0) under.push(breaker.pass());
          while (under.length > inFlight) under.shift()!(verdict, now);
        }
        for (const tell of under) tell('unknown', now);
        expect(breaker.waitMs(now + OPEN_MS_MAX)).toBe(0);
      }),
    );
  });
});
