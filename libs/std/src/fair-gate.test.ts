import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FairGate } from './fair-gate.ts';

const forever = new AbortController().signal;

describe('a fair gate', () => {
  test('lets its number in at once, and the next when one leaves', async () => {
    const gate = new FairGate(2);
    const [leave] = [await gate.enter('a', forever), await gate.enter('a', forever)];
    const third = gate.enter('a', forever);
    leave();
    await expect(third).resolves.toEqual(expect.any(Function));
  });

  test('takes owners in turn, whoever came with how many', async () => {
    const gate = new FairGate(1);
    let leave = await gate.enter('crowd', forever);
    const order: string[] = [];
    const enter = (owner: string): void => void gate.enter(owner, forever).then((out) => { order.push(owner); leave = out; });
    for (const owner of ['crowd', 'crowd', 'crowd', 'one', 'two']) enter(owner);
    for (let left = 5; left > 0; left -= 1) {
      leave();
      await new Promise(setImmediate);
    }
    expect(order).toEqual(['crowd', 'one', 'two', 'crowd', 'crowd']);
  });

  test('forgets who does not wait any more', async () => {
    const gate = new FairGate(1);
    const leave = await gate.enter('a', forever);
    const gone = new AbortController();
    const waiting = gate.enter('b', gone.signal);
    gone.abort(new Error('canceled'));
    await expect(waiting).rejects.toThrow('canceled');
    leave();
    await expect(gate.enter('c', forever)).resolves.toEqual(expect.any(Function));
    expect(() => gate.enter('d', AbortSignal.abort(new Error('late')))).toThrow('late');
  });

  test('never lets more in than its number, and in the end everybody', async () => {
    const steps = fc.array(fc.record({ owner: fc.constantFrom('a', 'b', 'c'), abort: fc.boolean() }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (slots, visits) => {
        const gate = new FairGate(slots);
        let inside = 0;
        let most = 0;
        const ends = visits.map(async ({ owner, abort }) => {
          const controller = new AbortController();
          const entering = gate.enter(owner, controller.signal);
          if (abort) controller.abort(new Error('gone'));
          const leave = await entering;
          inside += 1;
          most = Math.max(most, inside);
          await new Promise(setImmediate);
          inside -= 1;
          leave();
        });
        const settled = await Promise.allSettled(ends);
        expect(most).toBeLessThanOrEqual(slots);
        expect(settled.filter(({ status }, index) => status === 'rejected' && !visits[index]?.abort)).toEqual([]);
      }),
    );
  });
});
