import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ModelError } from './model-error.ts';
import { assembleReply } from './model-reply.ts';
import { REPLY_BYTES_MAX } from './reply-draft.ts';
import { readReplyStream } from './model.stream.ts';
import { type ModelDelta, type ModelReply, type ModelRequest, chatRequestBody } from './model.ts';

const request: ModelRequest = { model: 'm', messages: [{ role: 'user', content: 'hello you' }], tools: [] };

function sse(chunks: readonly unknown[], end = 'data: [DONE]\n\n'): Buffer {
  return Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('') + end);
}

function delta(delta: object, finish: string | null = null): object {
  return { model: 'served', choices: [{ index: 0, delta, finish_reason: finish }] };
}

function read(pieces: readonly Uint8Array[], onDelta?: (delta: ModelDelta) => void): ModelReply {
  const assembly = assembleReply(request, { onDelta });
  const feed = readReplyStream(assembly);
  for (const piece of pieces) feed(piece);
  return assembly.finish();
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

function failure(act: () => unknown): ModelError {
  try {
    act();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('expected a ModelError');
}

const anyText = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\ud83d', '\ude00', '\u0000', '"', '\n', '\u2028'), maxLength: 12 });

describe('a streamed reply', () => {
  test('is the same wherever its bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ content: anyText, reasoning: anyText, args: anyText }), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.constantFrom('\n', '\r\n'),
        (parts, places, lineEnd) => {
          const chunks = parts.flatMap(({ content, reasoning, args }, i) => [
            delta({ content, reasoning_content: reasoning }),
            delta({ tool_calls: [{ index: i % 2, id: i < 2 ? `c${i}` : undefined, function: { name: i < 2 ? 'f' : undefined, arguments: args } }] }),
          ]);
          const whole = [...chunks, delta({}, 'stop'), { choices: [], usage: { prompt_tokens: 7, completion_tokens: 5 } }];
          const bytes = Buffer.from(sse(whole).toString('utf8').replaceAll('\n', lineEnd));
          const deltas: ModelDelta[] = [];
          const reply = read(cut(bytes, places), (piece) => deltas.push(piece));
          expect(reply).toEqual(read([bytes]));
          expect(reply.content).toBe(parts.map(({ content }) => content).join('').replaceAll('\u0000', '').toWellFormed());
          expect(deltas.filter(({ kind }) => kind === 'content').map(({ text }) => text).join('')).toBe(reply.content);
          expect(deltas.filter(({ kind }) => kind === 'reasoning').map(({ text }) => text).join('')).toBe(reply.reasoning ?? '');
          expect(deltas.every(({ text }) => text !== '' && text.isWellFormed())).toBe(true);
          expect(reply.toolCalls.map((call) => call.arguments)).toEqual(
            [0, 1].slice(0, parts.length).map((index) => parts.filter((_, i) => i % 2 === index).map(({ args }) => args).join('').replaceAll('\u0000', '').toWellFormed()),
          );
        },
      ),
    );
  });

  test('keeps a surrogate pair that two chunks share', () => {
    const bytes = Buffer.from('data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\ndata: {"choices":[{"delta":{"content":"\\u0000\\ude00b"},"finish_reason":"stop"}]}\n\n');
    expect(read([bytes]).content).toBe('a😀b');
  });

  test('carries the usage the upstream reported', () => {
    const usage = { prompt_tokens: 100, completion_tokens: 20, prompt_tokens_details: { cached_tokens: 64 } };
    expect(read([sse([delta({ content: 'x' }, 'stop'), { choices: [], usage }])]).usage).toEqual({ inputTokens: 100, outputTokens: 20, cachedInputTokens: 64, estimated: [] });
  });

  test('has its usage estimated as characters / 4, rounded up, when none was reported', () => {
    expect(read([sse([delta({ content: '12345' }, 'stop')])]).usage).toEqual({ inputTokens: 3, outputTokens: 2, cachedInputTokens: 0, estimated: ['input', 'output'] });
  });

  test('gives every tool call an id of its own, also when the server repeats one or sends none', () => {
    const calls = [
      { index: 0, id: 'a', function: { name: 'f', arguments: '{}' } },
      { index: 0, id: 'b', function: { name: 'g', arguments: '{}' } },
      { index: 1, function: { name: 'h', arguments: '' } },
      { index: 2, id: 'a', function: { name: 'i', arguments: { n: 1 } } },
    ];
    const reply = read([sse([delta({ tool_calls: calls }, 'tool_calls')])]);
    expect(reply.toolCalls.map(({ name }) => name)).toEqual(['f', 'g', 'h', 'i']);
    expect(new Set(reply.toolCalls.map(({ id }) => id)).size).toBe(4);
    expect(reply.toolCalls[3]!.arguments).toBe('{"n":1}');
    expect(reply.finishReason).toBe('tool_calls');
  });

  test('may bring a call whose arguments are an object, however deep', () => {
    const call = `{"index":0,"id":"a","function":{"name":"f","arguments":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}}`;
    const chunk = JSON.stringify(delta({ tool_calls: ['CALL'] }, 'tool_calls')).replace('"CALL"', call);
    expect(read([Buffer.from(`data: ${chunk}\n\ndata: [DONE]\n\n`)]).toolCalls[0]!.arguments).toMatch(/^(\{"a":)+"\[nested too deeply\]"\}+$/);
  });

  test('that ends before a finish reason is retryable, and one that lacks only the closing event is complete', () => {
    const error = failure(() => read([sse([delta({ content: 'half' })], '')]));
    expect([error.kind, error.code, error.isRetryable]).toEqual(['unavailable', 'upstream_unavailable', true]);
    expect(read([sse([delta({ content: 'all' }, 'stop')], '')]).content).toBe('all');
    expect(read([sse([delta({ content: 'all' })])]).finishReason).toBe('stop');
  });

  test('may not be larger than its bound, counted over text, reasoning and arguments together', () => {
    const part = 'x'.repeat(REPLY_BYTES_MAX / 2);
    const half = [delta({ content: part }), delta({ tool_calls: [{ index: 0, function: { name: '', arguments: part } }] }, 'stop')];
    expect(read([sse(half)]).content).toHaveLength(REPLY_BYTES_MAX / 2);
    const error = failure(() => read([sse([...half, delta({ reasoning: '!' })])]));
    expect([error.kind, error.code, error.message]).toEqual(['invalid', 'upstream_invalid_response', "The model's reply is larger than 2 MiB."]);
  });

  test('that is not JSON, not an object or has no choice is a final failure', () => {
    for (const bytes of ['data: <html>\n\n', 'data: 5\n\n', 'data: [DONE]\n\n', 'data: {}\n\ndata: [DONE]\n\n']) {
      const error = failure(() => read([Buffer.from(bytes)]));
      expect([error.kind, error.code]).toEqual(['invalid', 'upstream_invalid_response']);
    }
  });

  test('may have at most 128 tool calls', () => {
    const calls = Array.from({ length: 129 }, (_, index) => ({ index, id: `c${index}`, function: { name: 'f', arguments: '{}' } }));
    expect(failure(() => read([sse([delta({ tool_calls: calls }, 'tool_calls')])])).code).toBe('upstream_invalid_response');
    expect(read([sse([delta({ tool_calls: calls.slice(1) }, 'tool_calls')])]).toolCalls).toHaveLength(128);
  });

  test('that reports an error in its middle fails by what the error says', () => {
    const kindOf = (error: object) => failure(() => read([sse([delta({ content: 'x' }), { error }])])).kind;
    expect(kindOf({ message: 'busy', code: 502 })).toBe('unavailable');
    expect(kindOf({ message: 'slow down', type: 'rate_limit_error' })).toBe('rate_limited');
    expect(kindOf({ message: 'too long', type: 'invalid_request_error' })).toBe('rejected');
    expect(kindOf({ message: 'who knows' })).toBe('unavailable');
  });
});

describe('a request', () => {
  test('always asks for a stream with usage, and names no tools when there are none', () => {
    expect(JSON.parse(chatRequestBody({ ...request, toolChoice: 'required' }))).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'hello you' }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('spells tools the way the wire does', () => {
    const tool = { name: 'f', description: 'does', parameters: { type: 'object' } };
    expect(JSON.parse(chatRequestBody({ ...request, tools: [tool] })).tools).toEqual([{ type: 'function', function: tool }]);
  });
});
