import { Handover } from '@nightshift/std';
import type { ChatUpstream } from './chat.client.ts';
import { completionOf, deltaChunk, firstChunk, lastChunks, modelRequestOf } from './chat-translation.ts';
import type { Json } from './chat-wire.ts';
import type { ModelClient } from './model.client.ts';

/** Plain calls of an upstream that speaks another wire than chat completions, through the client that turns use. */
export function createTranslatedChat(client: ModelClient): ChatUpstream {
  return {
    complete: async (body, options) => completionOf(await client.complete(modelRequestOf(body), options), nowSeconds()),
    async *stream(body, options) {
      const request = modelRequestOf(body);
      const chunks = new Handover<Json>();
      const created = nowSeconds();
      const left = new AbortController();
      const signal = AbortSignal.any([options.signal, left.signal]);
      let hasBegun = false;
      const push = (said: readonly Json[]): void => {
        // Not before the model has said something: until then another upstream may be asked.
        chunks.push(hasBegun ? said : [firstChunk(created), ...said]);
        hasBegun = true;
      };
      client.complete(request, { ...options, signal, onDelta: (delta) => push([deltaChunk(delta, created)]) }).then(
        (reply) => {
          push(lastChunks(reply, created));
          chunks.end();
        },
        (err: unknown) => chunks.end(err),
      );
      try {
        yield* chunks;
      } finally {
        left.abort();
      }
    },
    // Whoever made the client closes it.
    close: () => Promise.resolve(),
  };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
