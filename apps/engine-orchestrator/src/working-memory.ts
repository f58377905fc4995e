import { type ModelContentPart, type ModelMessage, textTokens } from './model.ts';
import type { JournalCall, JournalResult, TurnEntry } from './session.ts';
import type { Span } from './task-tree.ts';
import { blocksOf, imagesOf, textOfBlocks } from './tool-blocks.ts';

/** What is remembered of a run, and how much fits. */
export interface Remembered {
  readonly turns: readonly TurnEntry[];
  readonly results: ReadonlyMap<string, JournalResult>;
  /** Subtasks that were concluded, in that order. */
  readonly concluded: readonly Span[];
  /** Tokens that the turns' messages may take. */
  readonly tokensMax: number;
  /** Of how many of the last concluded subtasks the turns stay. */
  readonly buffer: number;
  /** Whether the model takes images. */
  readonly images: boolean;
}

/** What the model is shown of a run's turns. */
export interface WorkingMemory {
  readonly messages: readonly ModelMessage[];
  /** Estimated tokens of the messages. */
  readonly tokens: number;
  /** Estimated tokens of what is left out or shortened. */
  readonly prunedTokens: number;
}

/** One turn as it may be shown. */
interface Shown {
  readonly turn: TurnEntry;
  /** The results of its calls, of which so many characters each are shown at most. */
  readonly texts: readonly string[];
  readonly charsMax: number;
  /** The images of its results; they disappear when the turn is shortened, and then these are its texts. */
  readonly images: ModelMessage | undefined;
  readonly shortTexts: readonly string[];
  readonly wholeTokens: number;
  readonly shortTokens: number;
  /** It is gone once so many turns were made. */
  goneAt: number;
}

/** Turns from `shownFrom` on are shown, and the results of those from `wholeFrom` on whole. */
interface Cut {
  readonly shownFrom: number;
  readonly wholeFrom: number;
}

const MESSAGE_TOKENS = 4;
/** About what the larger images cost with the vendors that say so. */
const IMAGE_TOKENS = 1600;
/** Images of one turn. */
const IMAGES_MAX = 20;
const SHORT_CHARS = 400;
const MARKER_CHARS = 80;
/** The part of the limit that one turn may take. */
const TURN_PART = 0.6;
/** A cut goes down to this part of the limit, so that the next turns only add to what the upstream has in its cache. */
const CUT_TO = 0.75;
const LEFT_OUT: ModelMessage = { role: 'user', content: '[Earlier steps were left out here, because they do not fit into the context.]' };

/**
 * The messages of a run's turns: a pure function. Turns of concluded subtasks disappear, but for the last ones of the
 * buffer; a subtask's conclusion stays until the task that it is part of is concluded itself. When the rest is more than
 * fits, older tool results are shortened first, then older turns are left out; both leave a marker.
 */
export function workingMemory(remembered: Remembered): WorkingMemory {
  const turns = shownTurns(remembered);
  const { shownFrom, wholeFrom } = cutOf(turns, remembered.tokensMax);
  const left = turns.map((turn, at) => ({ turn, at })).filter(({ turn }) => turn.goneAt > turns.length);
  const shown = left.filter(({ at }) => at >= shownFrom);
  const marker = shown.length < left.length ? [LEFT_OUT] : [];
  const messages = [...marker, ...shown.flatMap(({ turn, at }) => messagesOf(turn, at >= wholeFrom))];
  const tokens = tokensOf(marker) + shown.reduce((sum, { turn, at }) => sum + (at >= wholeFrom ? turn.wholeTokens : turn.shortTokens), 0);
  const all = turns.reduce((sum, turn) => sum + turn.wholeTokens, 0);
  return { messages, tokens, prunedTokens: Math.max(0, all - tokens) };
}

function shownTurns({ turns, results, concluded, tokensMax, buffer, images: takesImages }: Remembered): Shown[] {
  const shown = turns.map((turn): Shown => {
    const fixed = turn.calls.reduce((sum, call) => sum + callTokens(call.name, call.arguments), correctionTokens(turn) + MESSAGE_TOKENS + textTokens(turn.content));
    const room = tokensMax * TURN_PART - fixed;
    const shortTexts = turn.calls.map((call) => textOf(results.get(call.callId), 0));
    const shortTextTokens = textsTokens(shortTexts, SHORT_CHARS);
    const found = takesImages ? turn.calls.map((call) => imagesOf(blocksOf(results.get(call.callId)) ?? [])) : [];
    const shownImages = fittingImages(turn, found, room - shortTextTokens);
    const images = imagesMessage(turn, shownImages);
    const imageTokens = images ? tokensOf([images]) : 0;
    const texts = images ? turn.calls.map((call, at) => textOf(results.get(call.callId), shownImages[at]?.length ?? 0)) : shortTexts;
    const { charsMax, tokens: textTokensShown } = fitted(texts, room - imageTokens);
    return { turn, texts, charsMax, images, shortTexts, wholeTokens: fixed + imageTokens + textTokensShown, shortTokens: fixed + shortTextTokens, goneAt: Infinity };
  });
  // A turn's step is its place. The turn after a subtask's last is the one that concluded it.
  concluded.forEach(({ from, to }, index) => {
    const goneAt = (concluded[index + buffer]?.to ?? Infinity) + 2;
    for (let at = from; at <= to; at += 1) shown[at]!.goneAt = Math.min(shown[at]!.goneAt, goneAt);
  });
  return shown;
}

/** The first images of a turn, by call, that together take at most so many tokens. */
function fittingImages({ calls }: TurnEntry, found: readonly (readonly string[])[], tokensMax: number): readonly (readonly string[])[] {
  const labels = found.reduce((sum, images, at) => sum + (images.length > 0 ? textTokens(labelOf(calls[at]!)) : 0), MESSAGE_TOKENS);
  let left = Math.max(0, Math.min(IMAGES_MAX, Math.floor((tokensMax - labels) / IMAGE_TOKENS)));
  return found.map((images) => {
    const shown = images.slice(0, left);
    left -= shown.length;
    return shown;
  });
}

/** Tool messages take text only, so the images of a turn's results follow them in a message of their own. */
function imagesMessage({ calls }: TurnEntry, images: readonly (readonly string[])[]): ModelMessage | undefined {
  const parts = images.flatMap((urls, at): ModelContentPart[] => (urls.length === 0 ? [] : [{ type: 'text', text: labelOf(calls[at]!) }, ...urls.map((url) => ({ type: 'image_url' as const, image_url: { url } }))]));
  return parts.length === 0 ? undefined : { role: 'user', content: parts };
}

function labelOf({ name, modelCallId }: JournalCall): string {
  return `Returned by ${name} (${modelCallId}):`;
}

/** How much of each result is shown, so that together they take at most so many tokens, and what they take then. */
function fitted(texts: readonly string[], tokensMax: number): { charsMax: number; tokens: number } {
  let charsMax = Infinity;
  let tokens = textsTokens(texts, charsMax);
  while (charsMax > SHORT_CHARS && tokens > tokensMax) {
    charsMax = Math.max(SHORT_CHARS, Math.floor(Math.min(charsMax, Math.max(...texts.map(({ length }) => length))) / 2));
    tokens = textsTokens(texts, charsMax);
  }
  return { charsMax, tokens };
}

/** Goes through the run as it went: where a turn's prompt did not fit, something was cut, and stays cut. */
function cutOf(turns: readonly Shown[], limit: number): Cut {
  const tokensMax = limit - tokensOf([LEFT_OUT]);
  const leaving = Map.groupBy(turns.keys(), (at) => turns[at]!.goneAt);
  let [shownFrom, wholeFrom, tokens] = [0, 0, 0];
  for (let count = 1; count <= turns.length; count += 1) {
    // The newest turn is whole: cuts end before it.
    tokens += turns[count - 1]!.wholeTokens;
    for (const at of leaving.get(count) ?? []) {
      if (at >= shownFrom) tokens -= at < wholeFrom ? turns[at]!.shortTokens : turns[at]!.wholeTokens;
    }
    if (tokens <= tokensMax) continue;
    for (; wholeFrom < count - 1 && tokens > tokensMax * CUT_TO; wholeFrom += 1) {
      const turn = turns[wholeFrom]!;
      if (wholeFrom >= shownFrom && turn.goneAt > count) tokens -= turn.wholeTokens - turn.shortTokens;
    }
    if (tokens <= tokensMax) continue;
    for (; shownFrom < count - 1 && tokens > tokensMax * CUT_TO; shownFrom += 1) {
      if (turns[shownFrom]!.goneAt > count) tokens -= turns[shownFrom]!.shortTokens;
    }
  }
  return { shownFrom, wholeFrom };
}

function messagesOf({ turn, texts, charsMax, images, shortTexts }: Shown, isWhole: boolean): ModelMessage[] {
  const calls = turn.calls.map((call) => ({ id: call.modelCallId, type: 'function' as const, function: { name: call.name, arguments: call.arguments } }));
  return [
    { role: 'assistant', content: turn.content === '' ? null : turn.content, ...(calls.length > 0 && { tool_calls: calls }) },
    ...turn.calls.map((call, at): ModelMessage => ({ role: 'tool', tool_call_id: call.modelCallId, content: isWhole ? shortened(texts[at]!, charsMax) : shortened(shortTexts[at]!, SHORT_CHARS) })),
    ...(isWhole && images ? [images] : []),
    ...(turn.correction === undefined ? [] : [{ role: 'user' as const, content: turn.correction }]),
  ];
}

/** The beginning of a text, with a marker where something is missing; a text that is hardly longer stays as it is. */
function shortened(text: string, charsMax: number): string {
  if (text.length <= charsMax + MARKER_CHARS) return text;
  return `${text.slice(0, charsMax).toWellFormed()}\n[truncated: the first ${charsMax} of ${text.length} characters]`;
}

function textOf(result: JournalResult | undefined, imagesShown: number): string {
  if (!result) return 'Error: the result is missing.';
  const blocks = blocksOf(result);
  const text = blocks ? textOfBlocks(blocks, imagesShown) : typeof result.content === 'string' ? result.content : JSON.stringify(result.content);
  return result.isError ? `Error: ${text}` : text;
}

/** Estimated tokens of messages. */
export function tokensOf(messages: readonly ModelMessage[]): number {
  let tokens = 0;
  for (const message of messages) {
    tokens += MESSAGE_TOKENS;
    if (typeof message.content === 'string') tokens += textTokens(message.content);
    else for (const part of message.content ?? []) tokens += part.type === 'text' ? textTokens(part.text) : IMAGE_TOKENS;
    if (message.role !== 'assistant') continue;
    for (const call of message.tool_calls ?? []) tokens += callTokens(call.function.name, call.function.arguments);
  }
  return tokens;
}

function correctionTokens({ correction }: TurnEntry): number {
  return correction === undefined ? 0 : MESSAGE_TOKENS + textTokens(correction);
}

function callTokens(name: string, args: string): number {
  return MESSAGE_TOKENS + textTokens(name) + textTokens(args);
}

function textsTokens(texts: readonly string[], charsMax: number): number {
  return texts.reduce((sum, text) => sum + MESSAGE_TOKENS + textTokens(shortened(text, charsMax)), 0);
}
