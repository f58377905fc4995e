import { ChatRequest, type CompletionRequest } from '@nightshift/contracts';

type Json = Readonly<Record<string, unknown>>;

/** One prompt of a legacy completion as the plain call that answers it; what such a call cannot take is an issue. */
export function chatRequestOf(completion: CompletionRequest, prompt: string): ReturnType<typeof ChatRequest.safeParse> {
  const { prompt: _, echo: _echo, logprobs, ...request } = completion;
  const asked = typeof logprobs === 'number' ? { logprobs: true, ...(logprobs > 0 && { top_logprobs: logprobs }) } : {};
  return ChatRequest.safeParse({ ...request, ...asked, messages: [{ role: 'user', content: prompt }] });
}

/** The prompts of a legacy completion, in order. */
export function promptsOf({ prompt }: CompletionRequest): readonly string[] {
  return typeof prompt === 'string' ? [prompt] : prompt;
}

/** The completions of several prompts as one text completion; the choices of the first come first. */
export function textCompletionOf(completions: readonly Json[], request: CompletionRequest): Json {
  const [first = {}] = completions;
  const choices = completions.flatMap((completion, at) => textChoicesOf(completion, at, request, new Set()));
  const usage = sumOf(completions.map((completion) => completion['usage']));
  return { ...first, id: idOf(first), object: 'text_completion', choices, ...(usage && { usage }) };
}

/** A chunk of the completion of prompt number `at` as a chunk of the text completion; undefined for one that says nothing but its usage. `begun` are the choices of the stream that have begun, and grows. */
export function textChunkOf(chunk: Json, at: number, request: CompletionRequest, begun: Set<number>): Json | undefined {
  const { usage: _, ...rest } = chunk;
  const choices = textChoicesOf(chunk, at, request, begun);
  return choices.length === 0 ? undefined : { ...rest, id: idOf(chunk), object: 'text_completion', choices };
}

/** The last chunk of a text completion: what all its prompts have used. */
export function usageChunkOf(last: Json, usages: readonly unknown[]): Json {
  return { id: idOf(last), object: 'text_completion', created: last['created'] ?? 0, model: last['model'], choices: [], usage: sumOf(usages) ?? {} };
}

function textChoicesOf(body: Json, at: number, request: CompletionRequest, begun: Set<number>): Json[] {
  const echoed = request.echo ? (promptsOf(request)[at] ?? '') : '';
  return listOf(body['choices']).map((choice) => {
    const { delta, message, index: own, logprobs, ...rest } = objectOf(choice);
    const { content } = objectOf(delta ?? message);
    const index = at * (request.n ?? 1) + Number(own ?? 0);
    const begins = !begun.has(index);
    begun.add(index);
    return { ...rest, text: `${begins ? echoed : ''}${typeof content === 'string' ? content : ''}`, index, logprobs: textLogprobsOf(logprobs) };
  });
}

/** What is known of the tokens, in the legacy form: one list for each fact. */
function textLogprobsOf(logprobs: unknown): Json | null {
  const tokens = listOf(objectOf(logprobs)['content']).map(objectOf);
  if (tokens.length === 0) return null;
  let offset = 0;
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top_logprobs: top }) => Object.fromEntries(listOf(top).map(objectOf).map(({ token, logprob }) => [String(token), logprob]))),
    text_offset: tokens.map(({ token }) => (offset += String(token).length) - String(token).length),
  };
}

function idOf({ id }: Json): string {
  return String(id ?? '').replace(/^chatcmpl-/, 'cmpl-');
}

function sumOf(usages: readonly unknown[]): Json | undefined {
  const known = usages.filter((usage) => typeof usage === 'object' && usage !== null).map(objectOf);
  if (known.length <= 1) return known[0];
  const sum = (name: string): number => known.reduce((total, usage) => total + Number(usage[name] ?? 0), 0);
  return { prompt_tokens: sum('prompt_tokens'), completion_tokens: sum('completion_tokens'), total_tokens: sum('total_tokens') };
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
