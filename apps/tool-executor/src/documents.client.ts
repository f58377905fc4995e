import { extname } from 'node:path';
import { FairGate } from '@nightshift/std';
import type { Document, Readable } from './document.ts';

const TIMEOUT_MS = 10_000;
const THREADS = 2;
/** Documents that are fetched, wait for a thread or are read: 256 MiB at the most that one may have. */
const DOCUMENTS_MAX = 32;
const MEMORY_MB = 512;
/** What a thread decodes is no part of its heap, so all memory of the process is watched while documents are read. */
const GROWTH_BYTES_MAX = 768 * 1024 * 1024;
const WATCH_MS = 50;
const IDLE_MS = 30_000;

/** A document that could not be read; the message is for the model. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
}

type Pool = InstanceType<typeof import('tinypool').Tinypool>;

/** Reads documents in threads, which begin with the first document; one that takes too long is ended. Organisations take turns. */
export class Documents {
  readonly #timeoutMs: number;
  readonly #growthBytesMax: number;
  readonly #room: FairGate;
  readonly #gate = new FairGate(THREADS);
  #pool: Promise<Pool> | undefined;

  constructor({ timeoutMs = TIMEOUT_MS, documentsMax = DOCUMENTS_MAX, growthBytesMax = GROWTH_BYTES_MAX } = {}) {
    this.#timeoutMs = timeoutMs;
    this.#growthBytesMax = growthBytesMax;
    this.#room = new FairGate(documentsMax);
  }

  /** Does with one document what there is to do, fetching it included, when there is room for one. Rejects with the reason of `signal` while it waits. */
  async inTurn<T>(orgId: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.#room.enter(orgId, signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** The text of a document. Rejects with UnreadableError, or with the reason of `signal`. */
  async read(document: Document, orgId: string, signal: AbortSignal): Promise<Readable> {
    const leave = await this.#gate.enter(orgId, signal);
    const late = AbortSignal.timeout(this.#timeoutMs);
    const large = new AbortController();
    const before = process.memoryUsage.rss();
    const watch = setInterval(() => process.memoryUsage.rss() - before > this.#growthBytesMax && large.abort(), WATCH_MS);
    try {
      this.#pool ??= start();
      const pool = await this.#pool;
      return (await pool.run(document, { signal: AbortSignal.any([signal, late, large.signal]) })) as Readable;
    } catch (err) {
      signal.throwIfAborted();
      if (large.signal.aborted) throw new UnreadableError('it takes too much memory to read', { cause: err });
      if (late.aborted) throw new UnreadableError('it takes too long to read', { cause: err });
      throw new UnreadableError('it cannot be read as what it says it is', { cause: err });
    } finally {
      clearInterval(watch);
      leave();
    }
  }

  async close(): Promise<void> {
    const pool = await this.#pool;
    await pool?.destroy();
  }
}

async function start(): Promise<Pool> {
  const { Tinypool } = await import('tinypool');
  const filename = new URL(`./page.thread${extname(import.meta.url)}`, import.meta.url).href;
  return new Tinypool({ filename, runtime: 'worker_threads', minThreads: 0, maxThreads: THREADS, idleTimeout: IDLE_MS, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB }, env: {} });
}
