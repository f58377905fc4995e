import type { Engine } from '@nightshift/contracts';
import { type Held, patiently } from '@nightshift/postgres';
import { newId } from '@nightshift/std';
import { type Ending, spelledAs } from './document-parts.ts';
import { RunDocument } from './document.ts';
import type { FrameLoop, RunFrames } from './frame.loop.ts';
import { type Chunk, lastOf, type StoredChunk } from './frame.store.ts';
import { LiveTurn, PREAMBLE_CHARS_MAX } from './live-turn.ts';
import type { ModelDelta } from './model.ts';
import { offersOf } from './offered-tools.ts';
import { isOwn } from './planner.ts';
import type { JournalEntry, Session, TurnEntry } from './session.ts';
import type { ClaimedSession } from './session.store.ts';
import { TaskTree } from './task-tree.ts';
import type { TurnEnd } from './turn.ts';

/** What a run's feed is opened with. */
export interface FeedOptions {
  readonly frames: FrameLoop;
  readonly engine: Pick<Engine, 'limits'> | undefined;
  readonly held: Held;
  /** The session turned out to be held no more, or its frames could not be stored. */
  readonly lost: (err?: unknown) => void;
}

/** What a session that is held shows of itself: its document, as frames. */
export class RunFeed {
  readonly #document: RunDocument;
  readonly #frames: RunFrames;
  readonly #session: Session;

  private constructor(session: Session, document: RunDocument, frames: RunFrames) {
    this.#session = session;
    this.#document = document;
    this.#frames = frames;
  }

  /** Takes up what the last owner has left, or begins. */
  static async open(session: ClaimedSession, journal: readonly JournalEntry[], { frames: loop, engine, held, lost }: FeedOptions): Promise<RunFeed> {
    const chunks = session.claimed ? [] : await patiently(() => loop.since({ runId: session.runId, seq: session.frameSeq }), held);
    const left = leftOf(session, chunks);
    const { document, shown } = openDocument(session, journal, engine, left);
    const frames = loop.begin(session, { head: left.head, tail: left.text.at(-1) ?? left.tail }, held, lost);
    if (left.head === 0) frames.add([{ kind: 'started', text: '' }]);
    frames.add(shown);
    return new RunFeed(session, document, frames);
  }

  /** Hears a model's turn. */
  turn(journal: readonly JournalEntry[]): TurnFeed {
    const { request } = this.#session;
    const { tools, names } = offersOf(request, journal);
    const speaksFirst = journal.some((entry) => entry.kind === 'turn' && entry.calls.length > 0 && entry.content.length > PREAMBLE_CHARS_MAX);
    return new TurnFeed(this.#document, this.#frames, (callId) => new LiveTurn(this.#document, { isOwn: (name) => isOwn(names, name), hasTools: tools.size > 0, hasFormat: request.answerFormat !== undefined, speaksFirst, callId }));
  }

  /** The frames that a decided turn adds and that are not stored yet: they are, with its commit. Undefined when those before could not be: then it is not to be committed. */
  settle({ entry, results, outcome }: TurnEnd): ReturnType<RunFrames['take']> {
    this.#frames.add(this.#document.settle(entry, new Map(results.map(({ callId, result }) => [callId, result])), outcome && endingOf(outcome, entry)), false);
    return this.#frames.take();
  }

  /** The turn is committed with what it added. */
  committed(chunk: Chunk): void {
    this.#frames.committed(chunk);
  }

  close(): void {
    this.#frames.close();
  }
}

/** One try after the other of one turn, as it is heard. Nothing is made of it until somebody watches, or a quarter of a second has passed. */
export class TurnFeed {
  /** Ids for the turn's calls: the first is shown before the turn is decided. */
  readonly callIds: string[] = [newId('call')];
  readonly #document: RunDocument;
  readonly #frames: RunFrames;
  readonly #begin: (callId: string) => LiveTurn;
  #live: LiveTurn;
  #waiting: ModelDelta[] | undefined = [];

  constructor(document: RunDocument, frames: RunFrames, begin: (callId: string) => LiveTurn) {
    this.#document = document;
    this.#frames = frames;
    this.#begin = begin;
    this.#live = this.#again();
    frames.whenWatched(() => this.#show());
  }

  take(delta: ModelDelta): void {
    if (this.#waiting) this.#waiting.push(delta);
    else this.#frames.add(this.#live.take(delta));
  }

  /** The model is asked once more. */
  restart(): void {
    if (this.#waiting) this.#waiting = [];
    this.#frames.add(this.#document.restart());
    this.#live = this.#again();
  }

  #again(): LiveTurn {
    return this.#begin(this.callIds[0] as string);
  }

  #show(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#frames.add(waiting.flatMap((delta) => this.#live.take(delta)));
  }
}

/** What was stored of a session since its last commit. */
interface Left {
  readonly head: number;
  readonly text: string;
  readonly tail: string;
}

/** What the chunks since the last commit say of that. */
export function leftOf({ frameSeq, frameTail: tail }: Pick<Session, 'frameSeq' | 'frameTail'>, chunks: readonly StoredChunk[]): Left {
  const text = chunks.flatMap(({ frames }) => frames.flatMap((frame) => (frame.kind === 'text' ? [frame.text] : []))).join('');
  const last = chunks.at(-1);
  return { head: last ? lastOf(last) : frameSeq, text, tail };
}

/** The document of a session as it stands. */
export function openDocument({ request, calls }: Pick<Session, 'request' | 'calls'>, journal: readonly JournalEntry[], engine: Pick<Engine, 'limits'> | undefined, { text, tail }: Left): ReturnType<typeof RunDocument.open> {
  const { names } = offersOf(request, journal);
  const tree = TaskTree.of(journal, names, engine?.limits.subtaskDepth);
  return RunDocument.open(tree, request.answerOnly ?? false, { unanswered: new Set(calls ?? []), text, tail });
}

/** How a run's document ends: with the answer as the model spelled it, where that is JSON. */
function endingOf(outcome: NonNullable<TurnEnd['outcome']>, { content }: TurnEntry): Ending {
  if (outcome.status === 'failed') return { answer: undefined };
  const { answer } = outcome.result;
  const isSpelled = typeof answer === 'object' && /^\s*[{[]/.test(content);
  return { answer: isSpelled ? spelledAs(content, answer) : JSON.stringify(answer) };
}
