import type { ChatRequest, CompletionRequest } from '@nightshift/contracts';
import { invalidRequest, type StreamedAnswer } from '@nightshift/http';
import { createParser } from 'eventsource-parser';
import type { Caller } from './api-key.ts';
import { assertClientTools } from './chat.ts';
import type { ChatsClient } from './chats.client.ts';
import { chatRequestOf, promptsOf, textChunkOf, textCompletionOf, usageChunkOf } from './text-completion.ts';

type Json = Readonly<Record<string, unknown>>;

const DONE = 'data: [DONE]\n\n';

/** Legacy completions: each prompt is a plain call. */
export class TextCompletions {
  readonly #chats: ChatsClient;

  constructor(chats: ChatsClient) {
    this.#chats = chats;
  }

  /** Answers as `ChatsClient.call` does. When one prompt fails, the others are given up and its error is the answer. */
  async answer(request: CompletionRequest, caller: Caller, traceparent: string, signal: AbortSignal): Promise<StreamedAnswer> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const requests = promptsOf(request).map((prompt) => checkedRequest(request, prompt));
    const calls = requests.map((one) => this.#chats.call(one, caller, traceparent, either));
    try {
      const answers = await Promise.all(calls.map(async (call) => refuse(await call)));
      const [{ status, headers }] = answers as [StreamedAnswer, ...StreamedAnswer[]];
      const bodies = answers.map(({ body }) => body);
      if (bodies.every((body) => typeof body === 'string')) return { status, headers, body: JSON.stringify(textCompletionOf(bodies.map((body) => JSON.parse(body) as Json), request)) };
      return { status, headers, body: textEvents(bodies.map((body) => (typeof body === 'string' ? [body] : body)), request) };
    } catch (err) {
      failed.abort();
      await Promise.allSettled(calls);
      if (err instanceof Refused) return err.answer;
      throw err;
    }
  }
}

function checkedRequest(request: CompletionRequest, prompt: string): ChatRequest {
  const parsed = chatRequestOf(request, prompt);
  if (!parsed.success) throw invalidRequest(parsed.error.issues);
  assertClientTools(parsed.data.tools);
  return parsed.data;
}

class Refused extends Error {
  constructor(readonly answer: StreamedAnswer) {
    super('the call was refused');
  }
}

function refuse(answer: StreamedAnswer): StreamedAnswer {
  if (answer.status >= 400) throw new Refused(answer);
  return answer;
}

/** The streams of all prompts as one, one after the other: what those behind say meanwhile waits. */
async function* textEvents(bodies: readonly (AsyncIterable<string> | readonly string[])[], request: CompletionRequest): AsyncGenerator<string> {
  const usages: unknown[] = [];
  const begun = new Set<number>();
  let last: Json = {};
  for (const [at, body] of bodies.entries()) {
    let events = '';
    const parser = createParser({
      onEvent: ({ data }) => {
        if (data.startsWith('[DONE]')) return;
        const chunk = JSON.parse(data) as Json;
        if (chunk['usage']) usages.push(chunk['usage']);
        const told = chunk['error'] === undefined ? textChunkOf((last = chunk), at, request, begun) : chunk;
        if (told) events += eventOf(told);
      },
      onComment: (comment) => {
        events += `:${comment}\n\n`;
      },
    });
    for await (const piece of body) {
      parser.feed(piece);
      if (events !== '') yield events;
      events = '';
    }
  }
  yield (request.stream_options?.include_usage ? eventOf(usageChunkOf(last, usages)) : '') + DONE;
}

/** Line separators that JSON allows are escaped, since readers of lines stumble over them. */
function eventOf(data: Json): string {
  return `data: ${JSON.stringify(data).replaceAll(/[\u0085\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n\n`;
}
