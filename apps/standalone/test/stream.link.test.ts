import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, test } from '@jest/globals';
import { AppError } from '@nightshift/contracts';
import type { StreamedAnswer, StreamedRequest } from '@nightshift/http';
import { waitFor } from '@nightshift/testing';
import { serveStreams, StreamCaller } from '../src/stream.link.ts';
import { ThreadLink } from '../src/thread.link.ts';

const channels: MessageChannel[] = [];
afterEach(() => channels.splice(0).forEach(({ port1 }) => port1.close()));

const request: StreamedRequest = { path: '/internal/x', headers: { traceparent: '00-trace' }, body: '{"q":1}' };
const headers = { 'content-type': 'text/event-stream' };

/** A caller of the other thread, which answers so. */
function linked(route: (app: string, request: StreamedRequest, signal: AbortSignal) => StreamedAnswer | Promise<StreamedAnswer>) {
  const channel = new MessageChannel();
  channels.push(channel);
  const here = new ThreadLink(channel.port1);
  serveStreams(new ThreadLink(channel.port2), async (app, asked, signal) => route(app, asked, signal));
  const caller = new StreamCaller(here);
  return { here, ask: (signal = new AbortController().signal) => caller.call('engine', request, signal) };
}

const piecesOf = ({ body }: StreamedAnswer): AsyncIterator<string> => (body as AsyncIterable<string>)[Symbol.asyncIterator]();
const aborted = (signal: AbortSignal): Promise<unknown> => new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));

describe('an answer of the other thread', () => {
  test('is one message where it is whole, and says what was asked of whom', async () => {
    const { ask } = linked((app, asked) => ({ status: 201, headers, body: JSON.stringify([app, asked]) }));
    expect(await ask()).toEqual({ status: 201, headers, body: JSON.stringify(['engine', request]) });
  });

  test('comes piece by piece, those of each request to it alone', async () => {
    let count = 0;
    const { ask } = linked(() => {
      const own = (count += 1);
      return { status: 200, headers, body: (async function* () { for (let at = 0; at < 3; at += 1) yield `${own}.${at} `; })() };
    });
    const texts = await Promise.all([ask(), ask()].map(async (answer) => {
      let text = '';
      for await (const piece of (await answer).body) text += piece;
      return text;
    }));
    expect(texts).toEqual(['1.0 1.1 1.2 ', '2.0 2.1 2.2 ']);
  });

  test('that breaks off does so after what came before', async () => {
    const { ask } = linked(() => ({ status: 200, headers, body: (async function* () { yield 'half'; throw new Error('broken'); })() }));
    const pieces = piecesOf(await ask());
    expect(await pieces.next()).toEqual({ done: false, value: 'half' });
    await expect(pieces.next()).rejects.toThrow('broken');
  });

  test('that is an error is its envelope', async () => {
    const { ask } = linked(() => { throw new AppError('service_unavailable', { headers: { 'retry-after': '1' } }); });
    const answer = await ask();
    expect([answer.status, answer.headers['retry-after'], JSON.parse(answer.body as string)]).toMatchObject([503, '1', { error: { code: 'service_unavailable' } }]);
  });

  test('is made no more than a window ahead of who takes it, and all of it comes', async () => {
    let made = 0;
    const piece = 'x'.repeat(32 * 1024);
    const { here, ask } = linked(() => ({ status: 200, headers, body: (async function* () { for (; made < 64; made += 1) yield piece; })() }));
    const pieces = piecesOf(await ask());
    await pieces.next();
    let before = -1;
    await waitFor(() => {
      const isStill = made === before;
      before = made;
      return isStill;
    });
    expect(made).toBeLessThan(16);
    let chars = piece.length;
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) chars += next.value.length;
    expect([made, chars, here.isOpen]).toEqual([64, 64 * piece.length, true]);
  });
});

describe('whoever asked and leaves', () => {
  test('before the answer has begun tells the other thread', async () => {
    const { ask } = linked(async (_app, _request, signal) => {
      await aborted(signal);
      return { status: 499, headers, body: 'given up' };
    });
    const leave = new AbortController();
    const answer = ask(leave.signal);
    leave.abort();
    expect((await answer).body).toBe('given up');
  });

  test.each(['by its signal', 'by taking no more'])('in its middle, %s, tells the other thread', async (how) => {
    let seen: AbortSignal | undefined;
    const { ask } = linked((_app, _request, signal) => {
      seen = signal;
      return { status: 200, headers, body: (async function* () { yield 'half'; await aborted(signal); })() };
    });
    const leave = new AbortController();
    const pieces = piecesOf(await ask(leave.signal));
    await pieces.next();
    if (how === 'by its signal') leave.abort();
    else await pieces.return!();
    expect(await waitFor(() => seen!.aborted)).toBe(true);
  });

  test('while a window is full lets its maker end', async () => {
    let hasEnded = false;
    const { ask } = linked(() => ({ status: 200, headers, body: (async function* () { try { for (;;) yield 'x'.repeat(512 * 1024); } finally { hasEnded = true; } })() }));
    const leave = new AbortController();
    const pieces = piecesOf(await ask(leave.signal));
    await pieces.next();
    leave.abort();
    expect(await waitFor(() => hasEnded)).toBe(true);
  });
});

test('when the other thread is gone, streams break off and calls are refused', async () => {
  const { here, ask } = linked((_app, _request, signal) => ({ status: 200, headers, body: (async function* () { yield 'half'; await aborted(signal); })() }));
  const pieces = piecesOf(await ask());
  await pieces.next();
  const next = pieces.next();
  here.fail(new Error('it has ended'));
  await expect(next).rejects.toThrow('it has ended');
  await expect(ask()).rejects.toThrow('it has ended');
});
