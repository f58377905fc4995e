import { createParser } from 'eventsource-parser';
import { ModelError } from './model-error.ts';
import type { ReplyAssembly } from './model-reply.ts';

/** A single event, or a whole reply that is not streamed, in characters. */
export const EVENT_CHARS_MAX = 8 * 1024 * 1024;

/** Feeds the bytes of a server-sent event stream to a reply; they may be cut anywhere. What it returns throws the reply's errors. */
export function readReplyStream(assembly: ReplyAssembly): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder();
  const parser = createParser({
    maxBufferSize: EVENT_CHARS_MAX,
    onEvent: ({ data }) => assembly.add(data),
    onError: (error) => {
      if (error.type !== 'max-buffer-size-exceeded') return;
      const message = 'The model server sent an event that is too large.';
      throw new ModelError('invalid', { code: 'upstream_invalid_response', message, cause: error });
    },
  });
  return (bytes) => parser.feed(decoder.decode(bytes, { stream: true }));
}
