import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { promisify } from 'node:util';
import type { Frame, FrameHeads, FrameKind, FramesPage } from '@nightshift/contracts';
import { type Database, flusher, newestEndings } from '@nightshift/postgres';
import { must } from '@nightshift/std';
import { APPEND, APPEND_END, HEADS, PACK, READ, SINCE, TO_PACK } from './frame.sql.ts';

/** Frames of one run that are stored together, from `seq` on. */
export interface Chunk {
  readonly runId: string;
  readonly seq: number;
  readonly frames: readonly Pick<Frame, 'kind' | 'text'>[];
}

/** A chunk as it is stored. */
export interface StoredChunk extends Chunk {
  readonly ends: boolean;
}

type Body = readonly (readonly [FrameKind, string])[];
type Row = { runId: string; seq: number; last: number; body: string; ends: boolean };

/** What one reply carries at most, but for a single chunk that is larger. */
const PAGE_BYTES = 1024 * 1024;
const PACK_AFTER_S = 60;
const ROWS_MAX = 256;
const GATHER_MS = 1;
const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);
const QUICKLY = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

/** The frames of runs' streams: no frame is shown before it is stored. */
export class FrameStore {
  readonly #db: Database;
  /** Stores frames of a session that is held with that epoch; false when it no longer is. */
  readonly append: (chunk: Chunk & { readonly epoch: number }) => Promise<boolean>;
  /** What was stored of a run after a frame, in order. */
  readonly since: (from: { readonly runId: string; readonly seq: number }) => Promise<StoredChunk[]>;

  constructor(db: Database) {
    this.#db = db;
    this.append = flusher<Chunk & { readonly epoch: number }, boolean>(async (chunks) => {
      const rows = await db.query<{ runId: string }>(APPEND, [...columnsOf(chunks), chunks.map(({ epoch }) => epoch)]);
      const stored = new Set(rows.map(({ runId }) => runId));
      // A session that this process has lost and holds again may be here twice.
      const newest = newestEndings(chunks, ({ runId: id, epoch }) => ({ id, epoch }));
      return chunks.map((chunk) => stored.has(chunk.runId) && newest.get(chunk.runId) === chunk);
      // Somebody is watching.
    }, ROWS_MAX, 0, GATHER_MS);
    this.since = flusher<{ readonly runId: string; readonly seq: number }, StoredChunk[]>((all) => this.#since(all));
  }

  /** Stores the last frames of runs; returns the runs whose were stored. The others have frames there already. */
  async end(chunks: readonly Chunk[]): Promise<Set<string>> {
    const rows = await this.#db.query<{ runId: string }>(APPEND_END, columnsOf(chunks));
    return new Set(rows.map(({ runId }) => runId));
  }

  /** Frames of a run after a number, about 1 MiB of them; without any, whether there will be none. */
  async page(runId: string, after: number): Promise<FramesPage> {
    const frames = await this.read(runId, after);
    if (frames.length > 0) return { frames };
    const { heads, ended } = await this.heads([runId]);
    return { frames, isOver: ended.length > 0 && (heads[runId] ?? 0) <= after };
  }

  /** Frames of a run after a number, about 1 MiB of them. */
  async read(runId: string, after: number): Promise<Frame[]> {
    const rows = await this.#db.query<{ seq: number; body: string; packed: Buffer | null }>(READ, [runId, after, PAGE_BYTES]);
    const frames: Frame[] = [];
    let bytes = 0;
    for (const { seq, body, packed } of rows) {
      const text = packed ? (await decompress(packed)).toString('utf8') : body;
      for (const frame of framesOf({ seq, frames: parsed(text) })) {
        if (frame.seq <= after || bytes > PAGE_BYTES) continue;
        frames.push(frame);
        bytes += frame.text.length;
      }
    }
    return frames;
  }

  /** How far the frames of runs reach, and which have ended; runs without frames are left out. */
  async heads(runIds: readonly string[]): Promise<FrameHeads> {
    const rows = await this.#db.query<{ runId: string; last: number; ends: boolean }>(HEADS, [runIds]);
    return { heads: Object.fromEntries(rows.map(({ runId, last }) => [runId, last])), ended: rows.flatMap(({ runId, ends }) => (ends ? [runId] : [])) };
  }

  /** Packs frames of runs that ended a while ago; returns how many runs. */
  async pack(limit: number): Promise<number> {
    const runs = await this.#db.query<{ runId: string }>(TO_PACK, [PACK_AFTER_S, limit]);
    for (const { runId } of runs) {
      const chunks = await this.since({ runId, seq: 0 });
      const frames = chunks.flatMap((chunk) => chunk.frames);
      await this.#db.query(PACK, [runId, frames.length, await compress(bodyOf(frames), QUICKLY)]);
    }
    return runs.length;
  }

  async #since(all: readonly { runId: string; seq: number }[]): Promise<StoredChunk[][]> {
    const from = new Map<string, number>();
    for (const { runId, seq } of all) from.set(runId, Math.min(seq, from.get(runId) ?? seq));
    const rows = await this.#db.query<Row>(SINCE, [[...from.keys()], [...from.values()]]);
    const byRun = Map.groupBy(rows, ({ runId }) => runId);
    return all.map(({ runId, seq: first }) => (byRun.get(runId) ?? []).filter(({ last }) => last > first).map(({ body, seq, ends }) => ({ runId, seq, ends, frames: parsed(body) })));
  }
}

/** The number of a chunk's last frame. */
export function lastOf({ seq, frames }: Pick<Chunk, 'seq' | 'frames'>): number {
  return seq + frames.length - 1;
}

/** The frames of a chunk with their numbers. */
export function framesOf({ seq, frames }: Pick<Chunk, 'seq' | 'frames'>): Frame[] {
  return frames.map(({ kind, text }, index) => ({ seq: seq + index, kind, text }));
}

/** Chunks as the four columns that statements take. */
export function columnsOf(chunks: readonly Chunk[]): [string[], number[], number[], string[]] {
  return [chunks.map(({ runId }) => runId), chunks.map(({ seq }) => seq), chunks.map(lastOf), chunks.map(({ frames }) => bodyOf(frames))];
}

function bodyOf(frames: Chunk['frames']): string {
  return JSON.stringify(frames.map(({ kind, text }): Body[number] => [kind, text]));
}

function parsed(body: string): Chunk['frames'] {
  return (JSON.parse(body) as Body).map(([kind, text]) => ({ kind: must(kind, 'kind'), text }));
}
