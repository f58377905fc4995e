import { expect, test } from '@jest/globals';
import { Handover } from './handover.ts';

async function all<T>(handover: Handover<T>): Promise<(readonly T[])[]> {
  const batches: (readonly T[])[] = [];
  for await (const batch of handover) batches.push(batch);
  return batches;
}

test('what was added together or while nobody took is taken together, in order', async () => {
  const handover = new Handover<number>();
  handover.push([1]);
  handover.push([2, 3]);
  expect(await handover.next()).toEqual({ done: false, value: [1, 2, 3] });
  const next = handover.next();
  handover.push([4]);
  handover.push([5]);
  expect(await next).toEqual({ done: false, value: [4] });
  handover.end();
  expect(await all(handover)).toEqual([[5]]);
});

test('an error comes after all that was added before it, and once', async () => {
  const handover = new Handover<number>();
  handover.push([1]);
  handover.end(new Error('cut'));
  handover.push([2]);
  handover.end();
  expect(await handover.next()).toEqual({ done: false, value: [1] });
  await expect(handover.next()).rejects.toThrow('cut');
  expect(await handover.next()).toEqual({ done: true, value: undefined });
});

test('whoever waits hears of the end, and of an error', async () => {
  const ended = new Handover<number>();
  const end = ended.next();
  ended.end();
  expect(await end).toEqual({ done: true, value: undefined });
  const failed = new Handover<number>();
  const failure = failed.next();
  failed.end(new Error('cut'));
  await expect(failure).rejects.toThrow('cut');
});

test('the maker hears when all was taken, and that the taker has left', async () => {
  const heard: number[] = [];
  const handover: Handover<number> = new Handover<number>(() => heard.push(handover.size));
  handover.push([1, 2]);
  for await (const batch of handover) {
    expect(batch).toEqual([1, 2]);
    break;
  }
  expect(heard).toEqual([0, 0]);
  expect(handover.isOver).toBe(true);
  handover.push([3]);
  expect(await all(handover)).toEqual([]);
});
