import type { Engine, RunStop } from '@nightshift/contracts';
import { must } from '@nightshift/std';
import type { FrameLoop } from './frame.loop.ts';
import type { Chunk, FrameStore } from './frame.store.ts';
import { frameEnd } from './run-end.ts';
import { leftOf, openDocument } from './run-feed.loop.ts';
import type { Session } from './session.ts';
import type { SessionStore } from './session.store.ts';

/** What ends are written with. */
export interface RunEndsOptions {
  readonly sessions: SessionStore;
  readonly store: FrameStore;
  readonly frames: FrameLoop;
  readonly engine: (id: string) => Engine | undefined;
}

/** A session whose stream has to end. */
type Stopped = Pick<Session, 'runId' | 'outcome' | 'frameSeq' | 'frameTail'>;

const ROUNDS_MAX = 10;

/** Writes the last frames of runs that are stopped: nobody writes any after them. */
export class RunEnds {
  readonly #options: RunEndsOptions;

  constructor(options: RunEndsOptions) {
    this.#options = options;
  }

  /** Ends the streams of `stopped`, whose commands are `stops`; streams that have ended stay as they are. */
  async write(stops: readonly RunStop[], stopped: readonly Stopped[]): Promise<void> {
    const stopOf = new Map(stops.map((stop) => [stop.runId, stop]));
    let open = [...stopped];
    let isFirst = true;
    for (let round = 0; open.length > 0; round += 1) {
      if (round === ROUNDS_MAX) throw new Error(`the streams of ${open.map(({ runId }) => runId).join(', ')} could not be ended`);
      const chunks = await Promise.all(open.map((session) => this.#chunkOf(session, must(stopOf.get(session.runId), 'stop'), isFirst)));
      const wanted = chunks.filter((chunk) => chunk !== undefined);
      const stored = wanted.length === 0 ? new Set<string>() : await this.#options.store.end(wanted);
      for (const chunk of wanted) if (stored.has(chunk.runId)) this.#options.frames.publish(chunk);
      // Whose were not stored has more frames than was known, or has ended.
      open = open.filter(({ runId }, index) => chunks[index] !== undefined && !stored.has(runId));
      isFirst = false;
    }
  }

  /** The last frames of a run; undefined when it has them. */
  async #chunkOf(session: Stopped, stop: RunStop, isFirst: boolean): Promise<Chunk | undefined> {
    const end = { kind: 'end' as const, text: JSON.stringify(frameEnd(stop, session.outcome)) };
    // After an outcome there is nothing but the end.
    if (isFirst && session.outcome) return { runId: session.runId, seq: session.frameSeq + 1, frames: [end] };
    const chunks = await this.#options.store.since({ runId: session.runId, seq: session.frameSeq });
    if (chunks.some(({ ends }) => ends)) return undefined;
    const left = leftOf(session, chunks);
    const started = left.head === 0 ? [{ kind: 'started' as const, text: '' }] : [];
    const closing = session.outcome ? [] : await this.#closing(session, stop, left);
    return { runId: session.runId, seq: left.head + 1, frames: [...started, ...closing, end] };
  }

  /** What closes the document of a run that was stopped in the middle. */
  async #closing({ runId }: Stopped, { answerOnly }: RunStop, left: ReturnType<typeof leftOf>): Promise<Chunk['frames']> {
    const { sessions, engine } = this.#options;
    const [[session], journal] = await Promise.all([sessions.load([runId]), sessions.journal(runId)]);
    const stopped = must(session, 'session');
    const request = answerOnly ? { ...stopped.request, answerOnly } : stopped.request;
    const { document, shown } = openDocument({ ...stopped, request }, journal, engine(stopped.engine), left);
    return [...shown, ...document.end()];
  }
}
