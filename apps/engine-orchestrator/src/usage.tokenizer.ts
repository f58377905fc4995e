import { setImmediate } from 'node:timers/promises';
import type { ModelReply, ModelRequest } from './model.ts';

/** What is counted in one go. Texts without blanks take time by the square of their length, and other work goes on between two pieces. */
const PIECE_CHARS = 1024;
/** What is longer is counted up to here, and its rest taken to be alike. */
const COUNTED_CHARS_MAX = 262_144;

let loading: Promise<(text: string) => number> | undefined;

/** The reply with the counts that its upstream did not report. They are those of a common tokenizer, not of the model's own, and stay marked as estimated. */
export async function settled(request: ModelRequest, reply: ModelReply): Promise<ModelReply> {
  const { estimated } = reply.usage;
  if (estimated.length === 0) return reply;
  try {
    return await counted(request, reply);
  } catch {
    // A reply is worth more than an exact count: it keeps the one by characters.
    return reply;
  }
}

async function counted(request: ModelRequest, reply: ModelReply): Promise<ModelReply> {
  const { estimated } = reply.usage;
  const inputTokens = estimated.includes('input') ? await tokensOf(inputTexts(request)) : reply.usage.inputTokens;
  const outputTokens = estimated.includes('output') ? await tokensOf(outputTexts(reply)) : reply.usage.outputTokens;
  return { ...reply, usage: { ...reply.usage, inputTokens, outputTokens, cachedInputTokens: Math.min(reply.usage.cachedInputTokens, inputTokens) } };
}

async function load(): Promise<(text: string) => number> {
  try {
    const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
    return (text) => countTokens(text, { allowedSpecial: 'all' });
  } catch (err) {
    loading = undefined;
    throw err;
  }
}

/** Tokens of texts together, by a common tokenizer. */
export async function tokensOf(texts: readonly string[]): Promise<number> {
  // Its tables are large: they are loaded when a count is missing for the first time.
  const count = await (loading ??= load());
  let tokens = 0;
  let chars = 0;
  for (const text of texts) {
    for (let at = 0; at < text.length && chars < COUNTED_CHARS_MAX; at += PIECE_CHARS) {
      const piece = text.slice(at, at + PIECE_CHARS);
      tokens += count(piece);
      chars += piece.length;
      if (text.length > PIECE_CHARS) await setImmediate();
    }
  }
  const all = texts.reduce((sum, text) => sum + text.length, 0);
  return chars < all ? Math.ceil((tokens * all) / chars) : tokens;
}

function inputTexts({ messages, tools }: ModelRequest): string[] {
  const texts = tools.length > 0 ? [JSON.stringify(tools)] : [];
  for (const message of messages) {
    if (typeof message.content === 'string') texts.push(message.content);
    else for (const part of message.content ?? []) if (part.type === 'text') texts.push(part.text);
    if (message.role !== 'assistant') continue;
    for (const call of message.tool_calls ?? []) texts.push(call.function.name, call.function.arguments);
  }
  return texts;
}

function outputTexts({ content, reasoning = '', toolCalls }: ModelReply): string[] {
  return [content, reasoning, ...toolCalls.flatMap((call) => [call.name, call.arguments])];
}
