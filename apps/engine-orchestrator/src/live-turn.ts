import { callBegin, type Shown } from './document-parts.ts';
import type { RunDocument } from './document.ts';
import { JsonScanner } from './json-scanner.ts';
import type { ModelDelta } from './model.ts';
import { callTitle } from './task-tree.ts';

/** What is known of a turn before it begins. */
export interface LiveFacts {
  /** Whether a name is one of our own functions. */
  readonly isOwn: (name: string) => boolean;
  /** The run has tools: what the model says may be a thought before it calls one. */
  readonly hasTools: boolean;
  readonly hasFormat: boolean;
  /** The model has said much before a call in this run: nothing is taken for the answer before its end. */
  readonly speaksFirst: boolean;
  /** The id that the turn's first call gets. */
  readonly callId: string;
}

/** Characters that a model may say before it calls a tool; what says more is taken for the answer. */
export const PREAMBLE_CHARS_MAX = 280;

/**
 * Writes what a model says into the run's document while it is said: reasoning as the thought of the turn's first task,
 * the first call's parameters as they are spelled, and the answer once it can be told from a thought.
 */
export class LiveTurn {
  readonly #document: RunDocument;
  readonly #facts: LiveFacts;
  /** What the model said and nobody knows yet whether it is the answer. */
  #held = '';
  #hasThought = false;
  #saying: 'unknown' | 'answer' | 'json answer' | 'call' | 'over' = 'unknown';
  #json = new JsonScanner();

  constructor(document: RunDocument, facts: LiveFacts) {
    this.#document = document;
    this.#facts = facts;
  }

  /** Takes what the model says next; returns what may be shown of it. */
  take(delta: ModelDelta): Shown[] {
    switch (delta.kind) {
      case 'reasoning':
        return this.#saying === 'unknown' && this.#held === '' && this.#document.takesTasks ? this.#document.write(this.#think(delta.text)) : [];
      case 'content':
        return this.#document.write(this.#say(delta.text));
      default:
        return this.#document.write(this.#call(delta.name, delta.text));
    }
  }

  #think(text: string): string {
    const begin = this.#hasThought ? '' : `${this.#document.lead}{"thought":"`;
    this.#hasThought = true;
    return begin + escaped(text);
  }

  #say(text: string): string {
    switch (this.#saying) {
      case 'answer':
        return escaped(text);
      case 'json answer':
        return this.#spell(text);
      case 'unknown':
        this.#held += text;
        return this.#answerIfSure();
      default:
        return '';
    }
  }

  #answerIfSure(): string {
    const { hasTools, hasFormat, speaksFirst } = this.#facts;
    if (speaksFirst || this.#document.hasOpenTask) return '';
    const begin = this.#held.trimStart();
    if (hasFormat ? !/^[{[]/.test(begin) : hasTools && this.#held.length <= PREAMBLE_CHARS_MAX) return '';
    this.#saying = hasFormat ? 'json answer' : 'answer';
    const thought = this.#hasThought ? '","title":"Answer"}' : '';
    return `${thought}${this.#document.answerLead}${hasFormat ? this.#spell(begin) : `"${escaped(this.#held)}`}`;
  }

  #call(name: string, text: string): string {
    if (this.#saying === 'call') return this.#spell(text);
    if (this.#saying !== 'unknown' || !this.#document.takesTasks) return this.#stop();
    const thought = this.#held === '' ? '' : this.#think(this.#hasThought ? `\n${this.#held}` : this.#held);
    if (this.#facts.isOwn(name)) return this.#stop() + thought;
    this.#saying = 'call';
    const begin = this.#hasThought ? '",' : `${this.#document.lead}{`;
    return `${thought}${begin}"title":${JSON.stringify(callTitle(name))}${callBegin(name, this.#facts.callId)}${this.#spell(text)}`;
  }

  /** JSON as the model spells it, as far as it is JSON. */
  #spell(text: string): string {
    if (this.#json.isWhole) return '';
    return this.#json.push(this.#json.stack.length === 0 ? text.trimStart() : text);
  }

  #stop(): string {
    this.#saying = 'over';
    return '';
  }
}

/** Text as it stands inside a JSON string. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
