import { expect, test } from '@jest/globals';
import { setImmediate } from 'node:timers/promises';
import { InProcessHints } from './in-process.hints.ts';
import { announceEnds, hearEnds } from './run-ends.ts';

test('runs that end together are told of in few messages, each of them once', async () => {
  const hints = new InProcessHints();
  const heard: (readonly string[])[] = [];
  hearEnds(hints, (ids) => heard.push(ids));
  const ended = announceEnds(hints);
  const ids = Array.from({ length: 1203 }, (_, index) => `run_${index}`);
  ids.forEach(ended);
  await setImmediate();
  expect(heard.map(({ length }) => length)).toEqual([500, 500, 203]);
  expect(heard.flat()).toEqual(ids);
  ended('run_later');
  await setImmediate();
  expect(heard.slice(3)).toEqual([['run_later']]);
});
