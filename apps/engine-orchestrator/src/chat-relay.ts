import type { ChatMeter } from './chat-meter.ts';
import { asList, eventOf, type Json } from './chat-wire.ts';

/** What a client is told of its call instead of what the upstream says. */
export interface ChatFacts {
  /** Of the completion. */
  readonly id: string;
  /** As the client named it. */
  readonly model: string;
}

/** A completion or chunk as the client gets it. */
export function asAnswered(body: Json, { id, model }: ChatFacts): Json {
  return { ...body, id, model };
}

/** Turns the chunks of an upstream into the events that a client gets, and counts them. */
export class ChatRelay {
  readonly #facts: ChatFacts;
  readonly #showsUsage: boolean;
  readonly #meter: ChatMeter;
  #last: Json = {};
  #hasShownUsage = false;

  /** `showsUsage`: the client asked for it; we always do. */
  constructor(facts: ChatFacts, showsUsage: boolean, meter: ChatMeter) {
    this.#facts = facts;
    this.#showsUsage = showsUsage;
    this.#meter = meter;
  }

  /** The events of some chunks, as one text. */
  add(chunks: readonly Json[]): string {
    return chunks.map((chunk) => this.#event(chunk)).join('');
  }

  /** The event with the usage, where the client wants it and the upstream did not say it. */
  end(usage: Json): string {
    if (!this.#showsUsage || this.#hasShownUsage) return '';
    const { created = 0 } = this.#last;
    return eventOf({ ...this.#facts, object: 'chat.completion.chunk', created, choices: [], usage });
  }

  #event(chunk: Json): string {
    this.#meter.add(chunk);
    this.#last = chunk;
    if (this.#showsUsage) {
      if (chunk['usage']) this.#hasShownUsage = true;
      return eventOf(asAnswered(chunk, this.#facts));
    }
    const { usage, ...rest } = chunk;
    if (usage && asList(chunk['choices']).length === 0) return '';
    return eventOf(asAnswered(rest, this.#facts));
  }
}
