import { MessageChannel } from 'node:worker_threads';
import { afterEach, expect, test } from '@jest/globals';
import { ThreadLink } from '../src/thread.link.ts';

const channels: MessageChannel[] = [];

afterEach(() => channels.splice(0).forEach(({ port1 }) => port1.close()));

function twoSides(): { here: ThreadLink; there: ThreadLink; messages: unknown[][] } {
  const channel = new MessageChannel();
  channels.push(channel);
  const messages: unknown[][] = [];
  channel.port2.on('message', (frames: unknown[]) => messages.push(frames));
  return { here: new ThreadLink(channel.port1), there: new ThreadLink(channel.port2), messages };
}

test('calls are answered each with its own answer, in whatever order they end', async () => {
  const { here, there } = twoSides();
  const release = new Map<string, () => void>();
  there.serve<string>('echo', (text) => new Promise((resolve) => release.set(text, () => resolve(`${text}!`))));
  there.serve('release', () => ['b', 'a'].forEach((text) => release.get(text)?.()));
  const answers = [here.call('echo', 'a'), here.call('echo', 'b')];
  await here.call('release');
  expect(await Promise.all(answers)).toEqual(['a!', 'b!']);
});

test('both sides may call each other', async () => {
  const { here, there } = twoSides();
  here.serve('name', () => 'here');
  there.serve('ask', () => there.call<string>('name'));
  expect(await here.call('ask')).toBe('here');
});

test('an error of the other side, or a name that it does not serve, rejects the call alone', async () => {
  const { here, there } = twoSides();
  there.serve('fails', () => Promise.reject(new Error('no room')));
  there.serve('works', () => 1);
  const calls = await Promise.allSettled([here.call('fails'), here.call('unknown'), here.call('works')]);
  expect(calls.map((call) => (call.status === 'fulfilled' ? call.value : (call.reason as Error).message))).toEqual(['no room', 'nobody serves "unknown" yet', 1]);
});

test('a value that cannot be cloned fails its own call, and not those that are sent with it', async () => {
  const { here, there } = twoSides();
  there.serve('works', () => 1);
  there.serve('answers badly', () => () => 'a function');
  const calls = await Promise.allSettled([here.call('works', () => 'a function'), here.call('works'), here.call('answers badly')]);
  expect(calls.map((call) => (call.status === 'fulfilled' ? call.value : 'could not be cloned'))).toEqual(['could not be cloned', 1, 'could not be cloned']);
});

test('when the other side is gone, calls that wait and calls that come are told why', async () => {
  const { here, there } = twoSides();
  there.serve('never', () => new Promise(() => undefined));
  const waiting = here.call('never');
  expect(here.isOpen).toBe(true);
  here.fail(new Error('it has ended'));
  const calls = await Promise.allSettled([waiting, here.call('never')]);
  expect(calls.map((call) => call.status === 'rejected' && (call.reason as Error).message)).toEqual(['it has ended', 'it has ended']);
  expect(here.isOpen).toBe(false);
});

test('what is sent together is one message', async () => {
  const { here, there, messages } = twoSides();
  there.serve<number>('double', (n) => n * 2);
  const heard: number[] = [];
  there.serve<number>('tell', (n) => heard.push(n));
  here.tell('tell', 1);
  here.tell('tell', 2);
  expect(await Promise.all([here.call('double', 3), here.call('double', 4)])).toEqual([6, 8]);
  expect(heard).toEqual([1, 2]);
  expect(messages.map((frames) => frames.length)).toEqual([4]);
});
