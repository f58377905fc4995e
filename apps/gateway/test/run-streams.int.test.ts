import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Frame, FramesPage } from '@nightshift/contracts';
import { encodeFrames, framesChannel, type Hints, InProcessHints, RedisHints, WATCHED_CHANNEL } from '@nightshift/run-stream';
import { createLog } from '@nightshift/runtime';
import { newId } from '@nightshift/std';
import { infrastructure, waitFor } from '@nightshift/testing';
import { RunStreams } from '../src/run-streams.client.ts';

const log = createLog({ level: 'silent', format: 'json' });
const kinds: [string, () => Hints][] = [
  ['within a process', () => new InProcessHints()],
  ['over Redis', () => new RedisHints({ url: infrastructure().redisUrl, log })],
];

/** The stored frames of one run, as an engine has them. */
class Store {
  readonly frames: Frame[] = [];
  reads = 0;
  refusals = 0;
  isAway = false;

  after(_: string, after: number): Promise<FramesPage> {
    if (this.isAway) this.refusals += 1;
    if (this.isAway) return Promise.reject(new Error('away'));
    this.reads += 1;
    // Two at a time: a page is never all there is.
    const frames = this.frames.slice(after, after + 2);
    return Promise.resolve({ frames, isOver: frames.length === 0 && this.frames.at(-1)?.kind === 'end' && this.frames.length <= after });
  }

  heads(runIds: readonly string[]) {
    if (this.isAway) return Promise.reject(new Error('away'));
    return Promise.resolve({ heads: Object.fromEntries(runIds.map((runId) => [runId, this.frames.length])), ended: this.frames.at(-1)?.kind === 'end' ? [...runIds] : [] });
  }
}

describe.each(kinds)('the streams of a gateway, with hints %s', (_, makeHints) => {
  let hints: Hints;
  let engine: Hints;
  let store: Store;
  let streams: RunStreams;
  let runId: string;
  const leaving = () => new AbortController();

  beforeEach(async () => {
    hints = makeHints();
    engine = hints instanceof InProcessHints ? hints : makeHints();
    await waitFor(() => hints.health().length === 0 && engine.health().length === 0);
    store = new Store();
    streams = new RunStreams({ frames: store, runs: { announceEnd: () => Promise.resolve() }, hints, log });
    runId = newId('run');
  });
  afterEach(async () => {
    await hints.close();
    await engine.close();
  });

  const stored = (...kindsOf: Frame['kind'][]): Frame[] => {
    const added = kindsOf.map((kind, index) => ({ seq: store.frames.length + index + 1, kind, text: kind === 'end' ? '{}' : `${kind} ${store.frames.length + index + 1}` }));
    store.frames.push(...added);
    return added;
  };
  const tell = (frames: readonly Frame[]) => engine.send(framesChannel(runId), encodeFrames(frames));
  /** What an observer is shown, as it is. */
  function observe(after = 0, { signal } = leaving()) {
    const seen: Frame[] = [];
    const read = async () => {
      for await (const frames of streams.follow(runId, after, signal)) seen.push(...frames);
    };
    return { seen, ended: read() };
  }

  test('show what was stored before and what is told of after, each frame once and in order', async () => {
    stored('started', 'text', 'text');
    const observers = [observe(), observe(1), observe(3)];
    await waitFor(() => observers[0]?.seen.length === 3);
    tell(stored('text'));
    tell(stored('text'));
    await waitFor(() => observers[2]?.seen.length === 2);
    const reads = store.reads;
    tell(stored('text', 'end'));
    await Promise.all(observers.map(({ ended }) => ended));
    expect(observers.map(({ seen }) => seen)).toEqual([store.frames, store.frames.slice(1), store.frames.slice(3)]);
    // What is told of is not asked for.
    expect(store.reads).toBe(reads);
  });

  test('read the start of a run once for all who come at once, and for those who come soon after', async () => {
    stored('started');
    const crowd = Array.from({ length: 50 }, () => observe());
    await waitFor(() => crowd.every(({ seen }) => seen.length === 1));
    const late = observe();
    await waitFor(() => late.seen.length === 1);
    expect(store.reads).toBe(1);
    tell(stored('text', 'end'));
    await Promise.all([...crowd, late].map(({ ended }) => ended));
    expect([...crowd, late].map(({ seen }) => seen)).toEqual(Array.from({ length: 51 }, () => store.frames));
  });

  test('miss nothing where hints are lost, come twice, or come late', async () => {
    const { seen, ended } = observe();
    await waitFor(() => store.reads > 0);
    const first = stored('started', 'text');
    const second = stored('text');
    tell(second);
    tell(first);
    tell(second);
    await waitFor(() => seen.length === 3);
    stored('text', 'end');
    await ended;
    expect(seen).toEqual(store.frames);
  });

  test('wait for a store that is away', async () => {
    store.isAway = true;
    stored('started', 'end');
    const { seen, ended } = observe();
    tell(store.frames.slice(1));
    await waitFor(() => store.refusals > 0);
    store.isAway = false;
    await ended;
    expect(seen).toEqual(store.frames);
  });

  test('end for who wants to go on where a run never came to', async () => {
    const waiting = observe(50);
    await waitFor(() => store.reads > 0);
    tell(stored('started', 'end'));
    await waiting.ended;
    const late = observe(50);
    await late.ended;
    expect([waiting.seen, late.seen]).toEqual([[], []]);
  });

  test('end for an observer who leaves, and for nobody else', async () => {
    const left = leaving();
    const [one, other] = [observe(0, left), observe()];
    await waitFor(() => store.reads > 0);
    left.abort();
    await one.ended;
    tell(stored('started', 'end'));
    await other.ended;
    expect([one.seen, other.seen]).toEqual([[], store.frames]);
  });

  test('say which runs are watched, for as long as somebody does', async () => {
    const heard: string[] = [];
    engine.listen(WATCHED_CHANNEL, (text) => heard.push(...text.split(' ').filter((id) => id === runId)));
    await engine.listening();
    const left = leaving();
    const { ended } = observe(0, left);
    await waitFor(() => heard.length >= 2, { timeoutMs: 5000 });
    left.abort();
    await ended;
    expect(heard.length).toBeGreaterThanOrEqual(2);
  });
});
