import { MessageChannel } from 'node:worker_threads';
import { afterEach, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import { LinkedHints } from '../src/linked.hints.ts';
import { ThreadLink } from '../src/thread.link.ts';

const channels: MessageChannel[] = [];

afterEach(() => channels.splice(0).forEach(({ port1 }) => port1.close()));

/** The links of two sides; `passed` resolves when all that was told before has arrived, on both. */
function twoSides(): { here: ThreadLink; there: ThreadLink; passed: () => Promise<unknown> } {
  const channel = new MessageChannel();
  channels.push(channel);
  const [here, there] = [new ThreadLink(channel.port1), new ThreadLink(channel.port2)];
  for (const side of [here, there]) side.serve('passed', () => true);
  return { here, there, passed: async () => { for (const side of [here, there, here]) await side.call('passed'); } };
}

test('what is sent is heard once on either side, by all who listen, until they stop', async () => {
  const links = twoSides();
  const [here, there] = [new LinkedHints(links.here), new LinkedHints(links.there)];
  const heard: string[] = [];
  const stop = here.listen('news', (text) => heard.push(`here: ${text}`));
  there.listen('news', (text) => heard.push(`there: ${text}`));
  await links.passed();
  here.send('news', 'a');
  there.send('news', 'b');
  there.send('other', 'c');
  await waitFor(() => heard.length === 4);
  expect(heard.toSorted()).toEqual(['here: a', 'here: b', 'there: a', 'there: b']);
  stop();
  await links.passed();
  there.send('news', 'd');
  await waitFor(() => heard.includes('there: d'));
  await links.passed();
  expect(heard).not.toContain('here: d');
});

test('who listens before the other side is there is told of what that sends', async () => {
  const links = twoSides();
  const heard: string[] = [];
  new LinkedHints(links.here).listen('news', (text) => heard.push(text));
  await links.passed();
  const there = new LinkedHints(links.there);
  await links.passed();
  there.send('news', 'late');
  await waitFor(() => heard.length > 0);
  expect(heard).toEqual(['late']);
});
