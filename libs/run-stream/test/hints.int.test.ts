import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLog } from '@nightshift/runtime';
import { infrastructure, waitFor } from '@nightshift/testing';
import { Redis } from 'ioredis';
import { encodeWatched, type Hints, InProcessHints, RedisHints, WATCHED_CHANNEL, WatchedRuns } from '@nightshift/run-stream';

const redis = () => new RedisHints({ url: infrastructure().redisUrl, log: createLog({ level: 'silent', format: 'json' }) });
const kinds: [string, () => Hints][] = [['within a process', () => new InProcessHints()], ['over Redis', redis]];
/** A name that no other test has. */
const channelOf = (name: string) => `test.${name}.${Math.random()}`;

describe.each(kinds)('hints %s', (_, make) => {
  let hints: Hints;
  beforeEach(async () => {
    hints = make();
    await waitFor(() => hints.health().length === 0);
  });
  afterEach(() => hints.close());

  test('are heard by everybody who listens, and by nobody who has left', async () => {
    const channel = channelOf('all');
    const heard: string[] = [];
    const leave = hints.listen(channel, (text) => heard.push(`first ${text}`));
    hints.listen(channel, (text) => heard.push(`second ${text}`));
    await hints.listening();
    hints.send(channel, 'a');
    await waitFor(() => heard.length === 2);
    leave();
    hints.send(channel, 'b');
    await waitFor(() => heard.length === 3);
    expect(heard).toEqual(['first a', 'second a', 'second b']);
  });

  test('are heard again by who comes back after everybody has left', async () => {
    const channel = channelOf('again');
    hints.listen(channel, () => undefined)();
    const heard: string[] = [];
    hints.listen(channel, (text) => heard.push(text));
    await hints.listening();
    hints.send(channel, 'a');
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual(['a']);
  });

  test('tell which runs are watched, and once of each that somebody begins to watch', async () => {
    const begun: string[] = [];
    const watched = new WatchedRuns(hints, (runId) => begun.push(runId));
    await hints.listening();
    const [one, two, three] = ['one', 'two', 'three'].map(channelOf) as [string, string, string];
    hints.send(WATCHED_CHANNEL, encodeWatched([one, two]));
    hints.send(WATCHED_CHANNEL, encodeWatched([one]));
    hints.send(WATCHED_CHANNEL, encodeWatched([three]));
    await waitFor(() => watched.has(three));
    expect([watched.has(one), watched.has(two), watched.has(channelOf('none'))]).toEqual([true, true, false]);
    expect(begun.filter((runId) => [one, two, three].includes(runId))).toEqual([one, two, three]);
  });
});

describe('hints over Redis', () => {
  test('say that some may be lost when the connection was, and are heard again after that', async () => {
    const hints = redis();
    const admin = new Redis(infrastructure().redisUrl);
    const channel = channelOf('gap');
    const heard: string[] = [];
    let gaps = 0;
    try {
      hints.listen(channel, (text) => heard.push(text));
      await waitFor(() => hints.health().length === 0);
      await hints.listening();
      hints.onGap(() => (gaps += 1));
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await waitFor(() => gaps > 0);
      await waitFor(() => {
        hints.send(channel, 'after');
        return heard.includes('after');
      });
    } finally {
      await hints.close();
      admin.disconnect();
    }
    expect(heard).toContain('after');
  });
});
