import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, createServer, type Socket } from 'node:net';
import { createLog } from '@nightshift/runtime';
import { infrastructure, waitFor } from '@nightshift/testing';
import { Redis } from 'ioredis';
import { encodeWatched, type Hints, InProcessHints, RedisHints, WATCHED_CHANNEL, WatchedRuns } from '@nightshift/run-stream';

const redis = (url = infrastructure().redisUrl) => new RedisHints({ url, log: createLog({ level: 'silent', format: 'json' }) });
const kinds: [string, () => Hints][] = [['within a process', () => new InProcessHints()], ['over Redis', () => redis()]];
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

/** A way to Redis on which nothing gets through while it is held, and that can be cut. */
async function wireToRedis() {
  const { hostname, port } = new URL(infrastructure().redisUrl);
  const ends = new Set<Socket>();
  let isHeld = false;
  let isCut = false;
  let said = '';
  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    const far = connect(Number(port), hostname);
    near.on('data', (bytes) => {
      said += bytes.toString();
      if (!isHeld) far.write(bytes);
    });
    far.on('data', (bytes) => void (isHeld || near.write(bytes)));
    for (const end of [near, far]) {
      ends.add(end);
      end.on('error', () => undefined).on('close', () => [near, far].forEach((one) => one.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`,
    hold: () => void (isHeld = true),
    cut: () => {
      isCut = true;
      ends.forEach((end) => end.destroy());
    },
    mend: () => {
      isCut = false;
      said = '';
    },
    /** What was said to Redis since then. */
    said: () => said,
    close: () => {
      ends.forEach((end) => end.destroy());
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('hints over a Redis', () => {
  let wire: Awaited<ReturnType<typeof wireToRedis>>;
  let hints: RedisHints;
  beforeEach(async () => {
    wire = await wireToRedis();
    hints = redis(wire.url);
    await waitFor(() => hints.health().length === 0);
  });
  afterEach(async () => {
    await hints.close();
    await wire.close();
  });

  test('that hangs keep nobody waiting, and say soon that they are not heard', async () => {
    wire.hold();
    hints.listen(channelOf('held'), () => undefined);
    await hints.listening();
    await waitFor(() => hints.health().length > 0);
    expect(hints.health()).toEqual([{ state: 'degraded', missing: 'redis' }]);
  });

  test('that was away are subscribed to what is listened to then, however many came and went', async () => {
    const kept = channelOf('kept');
    const heard: string[] = [];
    wire.cut();
    await waitFor(() => hints.health().length > 0);
    hints.listen(kept, (text) => heard.push(text));
    for (let count = 0; count < 100; count += 1) hints.listen(channelOf('gone'), () => undefined)();
    wire.mend();
    await waitFor(() => {
      hints.send(kept, 'after');
      return heard.length > 0;
    });
    expect(wire.said().match(/test\.gone/g)).toBeNull();
  });
});
