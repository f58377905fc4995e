import { expect, test } from '@jest/globals';
import { FairQueue } from './fair-queue.ts';

test('a fair queue takes its lanes in turn, and within a lane the first first', () => {
  const queue = new FairQueue<string>();
  for (let n = 1; n <= 1000; n += 1) queue.add('large', `large ${n}`);
  queue.add('small', 'small 1');
  queue.add('small', 'small 2');
  queue.add('third', 'third 1');
  expect(Array.from({ length: 6 }, () => queue.take())).toEqual(['large 1', 'small 1', 'third 1', 'large 2', 'small 2', 'large 3']);
  expect(queue.size).toBe(997);
});

test('a fair queue shows what comes next, and nothing when it is empty', () => {
  const queue = new FairQueue<string>();
  expect([queue.peek(), queue.take(), queue.size]).toEqual([undefined, undefined, 0]);
  queue.add('a', 'first');
  expect([queue.peek(), queue.size, queue.take(), queue.size]).toEqual(['first', 1, 'first', 0]);
});

test('a fair queue gives back what stands anywhere in it, once, and keeps the turns of the others', () => {
  const queue = new FairQueue<string>();
  for (const item of ['a 1', 'a 2', 'b 1', 'c 1']) queue.add(item[0]!, item);
  queue.remove('a', 'a 2');
  queue.remove('b', 'b 1');
  queue.remove('b', 'b 1');
  queue.remove('a', 'c 1');
  expect([queue.size, queue.take(), queue.take(), queue.take(), queue.size]).toEqual([2, 'a 1', 'c 1', undefined, 0]);
});
