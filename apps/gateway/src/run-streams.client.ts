import { type Frame, type FramesPage, SHARED_POOL } from '@nightshift/contracts';
import { decodeFrames, encodeWatched, framesChannel, type Hints, WATCHED_CHANNEL, WATCHED_EVERY_MS } from '@nightshift/run-stream';
import type { Logger } from '@nightshift/runtime';
import type { FramesClient } from './frames.client.ts';
import type { RunsClient } from './runs.client.ts';
import { isLast } from './run-wire.ts';
import { WatchedRun } from './watched-run.ts';

/** What streams are read with. */
export interface RunStreamsOptions {
  readonly frames: Pick<FramesClient, 'after' | 'heads'>;
  readonly runs: Pick<RunsClient, 'announceEnd'>;
  readonly hints: Hints;
  readonly log: Logger;
}

interface Watch {
  readonly run: WatchedRun;
  readonly pool: string;
  readonly stop: () => void;
  /** What is being read, by the number it goes on after: who wants the same meanwhile gets the same. */
  readonly reads: Map<number, Promise<FramesPage>>;
  observers: number;
  quietRounds: number;
}

const RETRY_MS = 500;
/** After so many seconds without a frame, whoever decides how a run ends is asked whether it has. */
const QUIET_ROUNDS = 30;

/** The streams of runs, for any number of observers: what is stored, joined with what is told of as it happens. */
export class RunStreams {
  readonly #options: RunStreamsOptions;
  readonly #watched = new Map<string, Watch>();
  #timer: NodeJS.Timeout | undefined;
  /** Pools whose engines are being asked. */
  readonly #comparing = new Set<string>();

  constructor(options: RunStreamsOptions) {
    this.#options = options;
    options.hints.onGap(() => void this.#compare());
  }

  /** The frames of a run after a number, in order and without a gap, until the last one or until `signal`. `pool`: whose engines are asked. */
  async *follow(runId: string, after: number, signal: AbortSignal, pool: string = SHARED_POOL): AsyncGenerator<readonly Frame[]> {
    const watch = this.#attach(runId, pool);
    const { run } = watch;
    try {
      await this.#options.hints.listening();
      for (let seq = after, isFirst = true; !signal.aborted; isFirst = false) {
        const told = run.after(seq);
        const isAsked = told.length === 0 && (isFirst || run.head > seq);
        const { frames, isOver = false } = isAsked ? await this.#stored(runId, seq, { watch, signal }) : { frames: told };
        if (frames.length > 0) yield frames;
        const last = frames.at(-1);
        if (isOver || (last && isLast(last))) return;
        seq = last?.seq ?? seq;
        if (last) continue;
        // Who wants to go on after a number that the run never reached is told of its end all the same.
        if (run.isEnded && run.head <= seq) return;
        await run.more(seq, signal);
      }
    } finally {
      this.#detach(runId);
    }
  }

  /** What is stored; waits for an engine that is away. */
  async #stored(runId: string, after: number, { watch, signal }: { watch: Watch; signal: AbortSignal }): Promise<FramesPage> {
    for (;;) {
      try {
        return await this.#read(runId, after, watch);
      } catch (err) {
        if (signal.aborted) return { frames: [] };
        this.#options.log.debug({ err, runId }, 'frames could not be read yet');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #read(runId: string, after: number, { run, pool, reads }: Watch): Promise<FramesPage> {
    const going = reads.get(after);
    if (going) return going;
    const read = this.#options.frames.after(runId, after, pool).then((page) => {
      run.keep(page.frames);
      return page;
    }).finally(() => reads.delete(after));
    reads.set(after, read);
    return read;
  }

  #attach(runId: string, pool: string): Watch {
    const known = this.#watched.get(runId);
    if (known) {
      known.observers += 1;
      return known;
    }
    const { hints } = this.#options;
    const run = new WatchedRun();
    const watch: Watch = { run, pool, reads: new Map(), observers: 1, quietRounds: 0, stop: hints.listen(framesChannel(runId), (text) => {
      watch.quietRounds = 0;
      run.add(decodeFrames(text));
    }) };
    this.#watched.set(runId, watch);
    hints.send(WATCHED_CHANNEL, encodeWatched([runId]));
    this.#timer ??= setInterval(() => void this.#compare(), WATCHED_EVERY_MS);
    return watch;
  }

  #detach(runId: string): void {
    const watch = this.#watched.get(runId);
    if (!watch || (watch.observers -= 1) > 0) return;
    watch.stop();
    this.#watched.delete(runId);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Says which runs are watched, and looks whether there is more of them than was told. */
  async #compare(): Promise<void> {
    if (this.#watched.size === 0) return;
    this.#options.hints.send(WATCHED_CHANNEL, encodeWatched([...this.#watched.keys()]));
    const byPool = Map.groupBy(this.#watched, ([, { pool }]) => pool);
    await Promise.all([this.#askAfterQuiet(), ...[...byPool].map(([pool, runs]) => this.#compareOf(pool, runs.map(([runId]) => runId)))]);
  }

  async #compareOf(pool: string, runIds: readonly string[]): Promise<void> {
    const { frames, log } = this.#options;
    // An engine that is slow to answer is not asked the same once more meanwhile.
    if (this.#comparing.has(pool)) return;
    this.#comparing.add(pool);
    try {
      const { heads, ended } = await frames.heads(runIds, pool);
      const over = new Set(ended);
      for (const [runId, head] of Object.entries(heads)) this.#watched.get(runId)?.run.reach(head, over.has(runId));
    } catch (err) {
      log.debug({ err, pool }, 'frames could not be compared');
    } finally {
      this.#comparing.delete(pool);
    }
  }

  /** Asks after runs of which nothing was told for long. Nobody's frames wait for that. */
  async #askAfterQuiet(): Promise<void> {
    const { runs, log } = this.#options;
    const quiet = [...this.#watched].filter(([, watch]) => (watch.quietRounds += 1) > QUIET_ROUNDS);
    for (const [, watch] of quiet) watch.quietRounds = 0;
    try {
      for (const [runId] of quiet) await runs.announceEnd(runId);
    } catch (err) {
      log.debug({ err }, 'ends of runs could not be asked for');
    }
  }
}
