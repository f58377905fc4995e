import { asJson, asList, type Json } from './chat-wire.ts';
import { estimateTokens, type TokenKind } from './model.ts';

/** What a plain call has used. */
export interface ChatUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  /** Counts that the upstream did not report. */
  readonly estimated: readonly TokenKind[];
}

/** Counts the tokens of texts; may fail. */
export type CountTokens = (texts: readonly string[]) => Promise<number>;

/** What is longer is counted by its characters. */
const TEXT_CHARS_MAX = 262_144;

/** Adds up what one call has used, from a whole completion or from its chunks. */
export class ChatMeter {
  #reported: Json | null = null;
  #text = '';
  #charsLeftOut = 0;
  #pieces = 0;

  /** Takes a chunk, or a whole completion. */
  add(body: Json): void {
    this.#reported = asJson(body['usage']) ?? this.#reported;
    for (const choice of asList(body['choices'])) {
      const said = asJson(asJson(choice)?.['delta']) ?? asJson(asJson(choice)?.['message']);
      if (said) this.#addSaid(said);
    }
  }

  /** Whether anything was said yet. */
  get isEmpty(): boolean {
    return this.#pieces === 0 && this.#reported === null;
  }

  /** The sum; what was not reported is counted. */
  async usage(requestTexts: () => readonly string[], count: CountTokens): Promise<ChatUsage> {
    const input = tokenCount(this.#reported?.['prompt_tokens']);
    const output = tokenCount(this.#reported?.['completion_tokens']);
    const details = asJson(this.#reported?.['prompt_tokens_details']);
    const cached = tokenCount(details?.['cached_tokens']) ?? tokenCount(this.#reported?.['prompt_cache_hit_tokens']) ?? 0;
    const inputTokens = input ?? (await counted(requestTexts(), count));
    const outputTokens = output ?? (await counted([this.#text], count)) + estimateTokens(this.#charsLeftOut);
    const estimated: TokenKind[] = [...(input === null ? ['input' as const] : []), ...(output === null ? ['output' as const] : [])];
    return { inputTokens, outputTokens, cachedInputTokens: Math.min(cached, inputTokens), estimated };
  }

  #addSaid(said: Json): void {
    this.#addText(said['content']);
    this.#addText(said['reasoning_content'] ?? said['reasoning']);
    this.#addText(said['refusal']);
    for (const call of asList(said['tool_calls'])) {
      const called = asJson(asJson(call)?.['function']);
      this.#addText(called?.['name']);
      this.#addText(called?.['arguments']);
    }
  }

  #addText(text: unknown): void {
    if (typeof text !== 'string' || text === '') return;
    this.#pieces += 1;
    if (this.#text.length < TEXT_CHARS_MAX) this.#text += text;
    else this.#charsLeftOut += text.length;
  }
}

/** A call is worth more than an exact count. */
async function counted(texts: readonly string[], count: CountTokens): Promise<number> {
  try {
    return await count(texts);
  } catch {
    return estimateTokens(texts.reduce((sum, text) => sum + text.length, 0));
  }
}

function tokenCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** A usage as the wire has it. */
export function wireUsage({ inputTokens, outputTokens }: ChatUsage): Json {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}
