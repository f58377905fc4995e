import { encodeFrames, framesChannel, type Hints, WatchedRuns } from '@nightshift/run-stream';
import { type Held, patiently } from '@nightshift/postgres';
import type { Shown } from './document-parts.ts';
import { type Chunk, framesOf, type FrameStore, lastOf, type StoredChunk } from './frame.store.ts';

/** How long frames that nobody watches may gather. */
const GATHER_MS = 250;
/** Pieces of text become one frame up to so many UTF-16 units; none is split, since it could not be closed in the middle. */
const TEXT_UNITS_MAX = 64 * 1024;

type Piece = Chunk['frames'][number];

/** A session whose frames this process writes. */
interface Writer {
  readonly runId: string;
  readonly epoch: number;
}

/** Stores frames of the runs that this process holds, and tells whoever watches. */
export class FrameLoop {
  readonly #frames: FrameStore;
  readonly #hints: Hints;
  readonly #runs = new Map<string, RunFrames>();
  readonly #watched: WatchedRuns;

  constructor(frames: FrameStore, hints: Hints) {
    this.#frames = frames;
    this.#hints = hints;
    this.#watched = new WatchedRuns(hints, (runId) => this.#runs.get(runId)?.hurry());
  }

  /** Writes the frames of a held session after `head`. `lost` is called when it turns out to be held no more, or with what kept frames from being stored. */
  begin(writer: Writer, { head, tail }: { head: number; tail: string }, held: Held, lost: (err?: unknown) => void): RunFrames {
    const frames = new RunFrames(writer, head, tail, {
      store: (chunk) => patiently(() => this.#frames.append({ ...chunk, epoch: writer.epoch }), held),
      publish: (chunk) => this.publish(chunk),
      isWatched: () => this.#watched.has(writer.runId),
      ended: () => void (this.#runs.get(writer.runId) === frames && this.#runs.delete(writer.runId)),
      lost,
    });
    this.#runs.set(writer.runId, frames);
    return frames;
  }

  /** What was stored of a run after a frame. */
  since(from: { readonly runId: string; readonly seq: number }): Promise<StoredChunk[]> {
    return this.#frames.since(from);
  }

  /** Shows frames that are stored. */
  publish(chunk: Chunk): void {
    if (this.#watched.has(chunk.runId)) this.#hints.send(framesChannel(chunk.runId), encodeFrames(framesOf(chunk)));
  }
}

interface Around {
  readonly store: (chunk: Chunk) => Promise<boolean>;
  readonly publish: (chunk: Chunk) => void;
  readonly isWatched: () => boolean;
  readonly ended: () => void;
  readonly lost: (err?: unknown) => void;
}

/** The frames of one held run: at most one insert is in flight, and what has gathered meanwhile goes into the next. */
export class RunFrames {
  readonly #writer: Writer;
  readonly #around: Around;
  #head: number;
  #tail: string;
  #pending: Piece[] = [];
  #inFlight: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  #isTaken = false;
  #hurry: (() => void) | undefined;

  constructor(writer: Writer, head: number, tail: string, around: Around) {
    this.#writer = writer;
    this.#head = head;
    this.#tail = tail;
    this.#around = around;
  }

  /** The number of the last frame that is stored, or on its way. */
  get head(): number {
    return this.#head;
  }

  /** The next frames; without `isUrgent` they wait for what follows. */
  add(shown: readonly (Shown | { readonly kind: 'started'; readonly text: '' })[], isUrgent = true): void {
    for (const one of shown) this.#push(one);
    if (isUrgent && shown.length > 0) this.#schedule();
  }

  /** Calls `hurry` when somebody begins to watch, at once if somebody does, and after a quarter of a second in any case. */
  whenWatched(hurry: () => void): void {
    this.#hurry = hurry;
    if (this.#around.isWatched()) this.hurry();
    else this.#wait();
  }

  /** Somebody watches now. */
  hurry(): void {
    this.#hurry?.();
    this.#hurry = undefined;
    void this.#flush();
  }

  /** What is not stored yet, for the statement that commits the turn: nothing else stores it then. `tail` is the last character of the document with it. Undefined when what came before could not be stored. */
  async take(): Promise<(Chunk & { readonly tail: string }) | undefined> {
    this.#stop();
    this.#isTaken = true;
    await this.#inFlight;
    this.#isTaken = false;
    if (this.#isOver) return undefined;
    return { ...this.#chunk(), tail: this.#tail };
  }

  /** What was taken is stored. */
  committed(chunk: Chunk): void {
    if (chunk.frames.length > 0) this.#around.publish(chunk);
  }

  /** Nothing more is written. */
  close(): void {
    this.#isOver = true;
    this.#stop();
    this.#around.ended();
  }

  #push({ kind, text }: Piece): void {
    const last = this.#pending.at(-1);
    if (kind !== 'text') {
      this.#pending.push({ kind, text });
      return;
    }
    this.#tail = text.at(-1) ?? this.#tail;
    if (last?.kind === 'text' && last.text.length + text.length <= TEXT_UNITS_MAX) this.#pending[this.#pending.length - 1] = { kind, text: last.text + text };
    else this.#pending.push({ kind, text });
  }

  #schedule(): void {
    if (this.#around.isWatched()) void this.#flush();
    else this.#wait();
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.hurry();
    }, GATHER_MS);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#hurry = undefined;
  }

  #chunk(): Chunk {
    const chunk = { runId: this.#writer.runId, seq: this.#head + 1, frames: this.#pending };
    this.#pending = [];
    this.#head = lastOf(chunk);
    return chunk;
  }

  async #flush(): Promise<void> {
    if (this.#inFlight || this.#isOver || this.#isTaken || this.#pending.length === 0) return;
    this.#inFlight = this.#store(this.#chunk());
    await this.#inFlight;
    this.#inFlight = undefined;
    if (this.#pending.length > 0) this.#schedule();
  }

  async #store(chunk: Chunk): Promise<void> {
    try {
      if (await this.#around.store(chunk)) return this.#around.publish(chunk);
    } catch (err) {
      return this.#lose(err);
    }
    this.#lose();
  }

  /** The session is let go of: whoever takes it up closes what is stored. */
  #lose(err?: unknown): void {
    this.#isOver = true;
    this.#around.lost(err);
  }
}
