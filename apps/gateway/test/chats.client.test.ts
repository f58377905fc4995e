import { describe, expect, test } from '@jest/globals';
import type { ChatRequest } from '@nightshift/contracts';
import { InternalClient, type StreamedAnswer, type StreamTransport } from '@nightshift/http';
import type { Caller } from '../src/api-key.ts';
import { ChatsClient } from '../src/chats.client.ts';

const caller: Caller = { keyId: 'key_1', orgId: 'org_1', pool: 'shared', egressAllow: [], scopes: [], answerEncoding: 'object', runLimits: {}, rateLimits: { org: {}, key: {} } };
const request = { model: 'acme/chat', messages: [{ role: 'user', content: 'hi' }] } as ChatRequest;
const headers = { 'content-type': 'text/event-stream' };
const never = new AbortController().signal;
const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
const clientOf = (streams: StreamTransport) => new ChatsClient(() => new InternalClient(() => Promise.reject(new Error('not this way')), 'token', undefined, streams));

async function textOf({ body }: StreamedAnswer): Promise<string> {
  let text = '';
  for await (const piece of body) text += piece;
  return text;
}

describe('a gateway that goes', () => {
  test('lets the answers that are on their way come to their end', async () => {
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const chats = clientOf(() => Promise.resolve({ status: 200, headers, body: (async function* () { yield 'half '; await finished; yield 'whole'; })() }));
    const text = textOf(await chats.call(request, caller, '00-trace', never));
    const drained = chats.drain(never);
    finish();
    await drained;
    expect(await text).toBe('half whole');
  });

  test.each([['breaks off', true], ['ends', false]])('in a hurry gives up what is left, and says so, whether its stream then %s', async (_how, throws) => {
    const chats = clientOf((_request, signal) => Promise.resolve({ status: 200, headers, body: (async function* () { yield 'data: 1\n'; yield '\n'; await aborted(signal); if (throws) throw new Error('aborted'); })() }));
    const text = textOf(await chats.call(request, caller, '00-trace', never));
    const hurry = new AbortController();
    const drained = chats.drain(hurry.signal);
    hurry.abort();
    await drained;
    expect(await text).toMatch(/^data: 1\n\ndata: \{"error":\{"code":"service_unavailable".*\}\}\n\ndata: \[DONE\]\n\n$/);
  });

  test.each([['breaks off', true], ['ends', false]])('in a hurry cuts a stream that %s within an event, and says nothing behind that', async (_how, throws) => {
    const chats = clientOf((_request, signal) => Promise.resolve({ status: 200, headers, body: (async function* () { yield 'data: 1\n\nda'; await aborted(signal); if (throws) throw new Error('aborted'); })() }));
    const seen: string[] = [];
    const reading = (async () => {
      for await (const piece of (await chats.call(request, caller, '00-trace', never)).body) seen.push(piece);
    })();
    const cut = expect(reading).rejects.toMatchObject({ code: 'service_unavailable' });
    await chats.drain(AbortSignal.abort());
    await cut;
    expect(seen.join('')).toBe('data: 1\n\nda');
  });

  test('in a hurry answers with 503 what has not begun', async () => {
    const chats = clientOf(async (_request, signal) => {
      await aborted(signal);
      throw new Error('aborted');
    });
    const answer = chats.call(request, caller, '00-trace', never);
    await Promise.all([chats.drain(AbortSignal.abort()), expect(answer).rejects.toMatchObject({ code: 'service_unavailable', headers: { 'retry-after': '1' } })]);
  });

  test('with nothing open goes at once', async () => {
    await expect(clientOf(() => Promise.reject(new Error('nobody asks'))).drain(never)).resolves.toBeUndefined();
  });
});
