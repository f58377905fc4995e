import { describe, expect, test } from '@jest/globals';
import type { Frame } from '@nightshift/contracts';
import { WatchedRun } from './watched-run.ts';

const frame = (seq: number, text = `${seq}`): Frame => ({ seq, kind: 'text', text });
const last = (seq: number): Frame => ({ seq, kind: 'end', text: '{}' });
const seqsAfter = (run: WatchedRun, seq: number) => run.after(seq).map((one) => one.seq);
const never = new AbortController().signal;

describe('what is kept of a watched run', () => {
  test('is what was told, from where a reader is, without what was told twice', () => {
    const run = new WatchedRun();
    run.add([frame(4), frame(5)]);
    run.add([frame(5), frame(6)]);
    expect([seqsAfter(run, 3), seqsAfter(run, 5), seqsAfter(run, 6), seqsAfter(run, 99)]).toEqual([[4, 5, 6], [6], [], []]);
    expect(run.head).toBe(6);
  });

  test('is nothing for who is too far behind: they read what is stored', () => {
    const run = new WatchedRun();
    run.add([frame(4)]);
    expect(run.after(2)).toEqual([]);
  });

  test('begins anew where something was not told', () => {
    const run = new WatchedRun();
    run.add([frame(1), frame(2), frame(5)]);
    expect([seqsAfter(run, 0), seqsAfter(run, 2), seqsAfter(run, 4)]).toEqual([[], [], [5]]);
  });

  test('is bounded, and never less than the newest frame', () => {
    const run = new WatchedRun();
    for (let seq = 1; seq <= 8; seq += 1) run.add([frame(seq, 'x'.repeat(300_000))]);
    expect([seqsAfter(run, 4), seqsAfter(run, 5)]).toEqual([[], [6, 7, 8]]);
    run.add([frame(9, 'x'.repeat(2_000_000))]);
    expect(seqsAfter(run, 8)).toEqual([9]);
  });

  test('is also a short start that was read, where nothing newer is kept', () => {
    const [run, newer, long] = [new WatchedRun(), new WatchedRun(), new WatchedRun()];
    run.keep([frame(1), frame(2)]);
    newer.add([frame(7)]);
    newer.keep([frame(1), frame(2)]);
    long.keep([frame(1, 'x'.repeat(20_000))]);
    expect([seqsAfter(run, 0), seqsAfter(newer, 0), seqsAfter(newer, 6), seqsAfter(long, 0)]).toEqual([[1, 2], [], [7], []]);
  });

  test('wakes who waits for more, at the end and when told to', async () => {
    const run = new WatchedRun();
    const leaving = new AbortController();
    const waits = [run.more(0, never), run.more(1, never), run.more(99, never), run.more(99, leaving.signal)];
    leaving.abort();
    await waits[3];
    run.add([frame(1)]);
    await waits[0];
    run.reach(2, false);
    await waits[1];
    run.add([last(3)]);
    await waits[2];
    expect([run.head, run.isEnded]).toEqual([3, true]);
    await run.more(3, never);
  });
});
