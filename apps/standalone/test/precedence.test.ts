import { expect, test } from '@jest/globals';
import { Precedence } from '../src/precedence.ts';

/** Both threads' views of one memory, and so many clients that wait until they are released. */
function threads(clients: number) {
  const answering = new Precedence();
  const working = new Precedence(answering.shared);
  const releases: (() => void)[] = [];
  const waiting = Promise.all(Array.from({ length: clients }, () => answering.first(() => new Promise<void>((resolve) => releases.push(resolve)))));
  const release = async () => {
    for (const one of releases) one();
    await waiting;
  };
  return { working, answering, release };
}

test('work stands aside while many clients wait, and goes on when they are answered', async () => {
  const { working, release } = threads(4);
  expect(working.stepAside()).toBe(true);
  await release();
  expect(working.stepAside(performance.now() + 1000)).toBe(false);
});

test('work is not stopped for a few clients', async () => {
  const { working, release } = threads(3);
  expect(working.stepAside()).toBe(false);
  await release();
});

test('work has its turn however many clients wait', async () => {
  const { working, release } = threads(100);
  expect(working.stepAside()).toBe(true);
  expect(working.stepAside(performance.now() - 1)).toBe(false);
  expect(working.stepAside(performance.now() + 1000)).toBe(true);
  await release();
});

test('a client that is refused no longer waits', async () => {
  const { working, answering } = threads(3);
  await expect(answering.first(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  expect(working.stepAside()).toBe(false);
});
