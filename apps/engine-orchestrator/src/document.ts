import { ANSWER_KEY, answerEnd, answerSegments, type Ending, type Segment, segmentsOf, type Shown, SUBTASKS } from './document-parts.ts';
import { type Bracket, JsonScanner } from './json-scanner.ts';
import type { JournalResult, TurnEntry } from './session.ts';
import type { TaskTree } from './task-tree.ts';

/** What a task says that was cut off and is worked on again. */
const INTERRUPTED = '"conclusion":"(interrupted)"';
const NOBODY: ReadonlySet<string> = new Set();

/** Where a document stands that was stored in part. */
export interface Stored {
  /** Calls whose results came after the last commit. */
  readonly unanswered: ReadonlySet<string>;
  /** Text that was stored after the last commit. */
  readonly text: string;
  /** The last character of the document at the last commit; empty before the first. */
  readonly tail: string;
}

/**
 * The one JSON document `{"reasoning":[…],"answer":…}` that is shown of a run while it goes on. What a turn says is
 * written as it comes, and made true at the turn's end: where it turned out otherwise (the turn was cut off and is made
 * again, or a text was taken for the answer that is none) what is open is closed, and what is true follows. A key that is
 * written twice counts as it stands last, as JSON parsers take it.
 */
export class RunDocument {
  readonly #tree: TaskTree;
  readonly #isAnswerOnly: boolean;
  /** Segments that are written. */
  #written = 0;
  #stack: Bracket[] = [];
  #last = '';
  /** The list of tasks was closed: it has to be begun anew. */
  #isClosed = false;
  #live = '';
  #scanner: JsonScanner | undefined;

  private constructor(tree: TaskTree, isAnswerOnly: boolean) {
    this.#tree = tree;
    this.#isAnswerOnly = isAnswerOnly;
  }

  /** Takes a document up where the last commit and what was stored since have left it. Returns what has to be shown first. */
  static open(tree: TaskTree, isAnswerOnly: boolean, { unanswered, text, tail }: Stored): { document: RunDocument; shown: Shown[] } {
    const document = new RunDocument(tree, isAnswerOnly);
    if (tail !== '') document.#skip(document.#segments(undefined, unanswered), tail);
    const known = document.#advance(undefined);
    const knownText = textOf(known);
    if (knownText.startsWith(text)) return { document, shown: withoutStart(known, text.length) };
    // With the results that have come, then whatever a turn wrote that was cut off.
    const isInOrder = text.startsWith(knownText);
    document.#write(isInOrder ? text.slice(knownText.length) : text);
    if (!isInOrder) document.#isClosed = true;
    return { document, shown: document.#repair() };
  }

  /** The text before the next task, if it is the first in its list. */
  get lead(): string {
    const open = this.#tree.openTask;
    return open?.subtasks.length === 0 ? SUBTASKS : this.#last === '[' ? '' : ',';
  }

  /** The text before the answer. */
  get answerLead(): string {
    if (this.#isAnswerOnly && this.#last === '{') return ANSWER_KEY.slice(1);
    return this.#isAnswerOnly || this.#isClosed ? ANSWER_KEY : `]${ANSWER_KEY}`;
  }

  /** Whether tasks can be written now. */
  get takesTasks(): boolean {
    return !this.#isAnswerOnly && !this.#isClosed;
  }

  /** True while a planned subtask is open: the run does not end with it. */
  get hasOpenTask(): boolean {
    return this.#tree.openTask !== undefined;
  }

  /** Writes what a turn says before it is decided what it means; returns it. */
  write(text: string): Shown[] {
    const shown = this.#write(text);
    return shown === '' ? [] : [{ kind: 'text', text: shown }];
  }

  /** Closes what a turn has written, which is made anew. */
  restart(): Shown[] {
    return this.#live === '' ? [] : this.#repair();
  }

  /** The turn is decided: the document says what it was, and ends if the run does. */
  settle(entry: TurnEntry, results: ReadonlyMap<string, JournalResult>, ending?: Ending): Shown[] {
    this.#tree.grow(entry, results);
    const state = { written: this.#written, stack: this.#stack, last: this.#last, isClosed: this.#isClosed };
    const shown = this.#advance(ending);
    const live = this.#live;
    if (textOf(shown).startsWith(live)) {
      this.#live = '';
      this.#scanner = undefined;
      return withoutStart(shown, live.length);
    }
    this.#written = state.written;
    this.#stack = state.stack;
    this.#last = state.last;
    this.#isClosed = state.isClosed;
    return [...this.#repair(), ...this.#advance(ending)];
  }

  /** Closes the document of a run that ends in the middle. */
  end(): Shown[] {
    return this.#advance({ answer: undefined });
  }

  #segments(ending: Ending | undefined, unanswered: ReadonlySet<string> = NOBODY): Segment[] {
    return this.#isAnswerOnly ? answerSegments(ending) : segmentsOf(this.#tree, unanswered, ending);
  }

  #write(text: string): string {
    this.#scanner ??= new JsonScanner(this.#stack, this.#last);
    const shown = this.#scanner.push(text);
    this.#live += shown;
    return shown;
  }

  /** Closes what was written live, so that the document stands where the last turn left it. */
  #repair(): Shown[] {
    const scanner = this.#scanner as JsonScanner;
    this.#isClosed ||= scanner.depthMin < this.#stack.length;
    if (this.#isClosed) this.#stack = ['{'];
    const text = scanner.closing(this.#stack.length, this.#isClosed ? '' : INTERRUPTED);
    this.#last = '}';
    this.#live = '';
    this.#scanner = undefined;
    return text === '' ? [] : [{ kind: 'text', text }];
  }

  /** Notes that segments are written. */
  #skip(segments: readonly Segment[], tail: string): void {
    for (const { brackets } of segments) this.#nest(brackets);
    this.#written = segments.length;
    this.#last = tail;
  }

  /** Moves on as far as the tree is known; returns what that adds. */
  #advance(ending: Ending | undefined): Shown[] {
    const segments = this.#segments(ending);
    const shown: Shown[] = [];
    let from = this.#written;
    if (this.#isClosed && ending && from === segments.length - 1) {
      // The list of tasks is whole as it is.
      this.#written = segments.length;
      return [{ kind: 'text', text: answerEnd(ending) }];
    }
    if (this.#isClosed) {
      shown.push({ kind: 'text', text: ',"reasoning":[' });
      this.#stack = ['{', '['];
      this.#last = '[';
      from = 1;
    }
    for (let at = from; at < segments.length; at += 1) {
      const { text, isItem, brackets, after } = segments[at] as Segment;
      const whole = isItem && this.#last !== '[' && this.#last !== '{' ? `,${text()}` : text();
      shown.push({ kind: 'text', text: whole });
      this.#nest(brackets);
      this.#last = whole.at(-1) ?? '';
      const finished = at >= this.#written ? after?.() : undefined;
      if (finished) shown.push(finished);
    }
    this.#written = segments.length;
    this.#isClosed = false;
    return shown;
  }

  #nest(brackets: Segment['brackets']): void {
    const stack = [...this.#stack];
    for (const bracket of brackets) {
      if (bracket === 'close') stack.pop();
      else stack.push(bracket);
    }
    this.#stack = stack;
  }
}

function textOf(shown: readonly Shown[]): string {
  return shown.map(({ kind, text }) => (kind === 'text' ? text : '')).join('');
}

/** What is left when the first `length` characters of text were shown already; adjacent texts as one. */
function withoutStart(shown: readonly Shown[], length: number): Shown[] {
  let skip = length;
  return shown.flatMap((one) => {
    if (one.kind !== 'text') return [one];
    const text = one.text.slice(skip);
    skip = Math.max(0, skip - one.text.length);
    return text === '' ? [] : [{ ...one, text }];
  });
}
