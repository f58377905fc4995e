import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import { SessionStore } from '../src/session.store.ts';
import { ask, chatCall, chatStage, dataOf, textOf } from './chat-stage.ts';
import { chunk, completion, endless, events, refusal, whole } from './chat-upstream.ts';
import { LEASE_MS } from './stage.ts';

let stage: Awaited<ReturnType<typeof chatStage>>;
beforeAll(async () => {
  stage = await chatStage();
});
afterEach(() => stage.clear());
afterAll(() => stage.close());

/** An answer of which the first piece is taken. */
async function begun(answer: Awaited<ReturnType<typeof ask>>): Promise<AsyncIterator<string>> {
  const pieces = (answer.body as AsyncIterable<string>)[Symbol.asyncIterator]();
  await pieces.next();
  return pieces;
}

describe('what a plain call has used', () => {
  test('is announced once under the completion’s id, as the upstream reports it, at the engine’s prices', async () => {
    stage.first.answer = whole(completion());
    const { chats } = stage.chats();
    const call = chatCall();
    const { id } = JSON.parse(await textOf(await ask(chats, call))) as { id: string };
    // 7 fresh input tokens at 2, 4 from the cache at 1, 5 of output at 10 dollars a million.
    const used = { runId: id, step: 0, orgId: 'org_1', apiKeyId: 'key_1', engine: 'acme/chat', inputTokens: 11, cachedInputTokens: 4, outputTokens: 5, toolCalls: {}, costMicroUsd: 68 };
    await waitFor(() => stage.published.length > 0);
    expect(stage.published).toEqual([{ ...used, recordedAt: expect.any(String) }]);
    await ask(chats, call);
    await stage.settle();
    expect(stage.published).toHaveLength(1);
    expect(await stage.on.sql('select call_id from engine.plain_calls')).toEqual([{ call_id: id }]);
  });

  test('of a stream is announced when it has ended, from the usage that the client does not see', async () => {
    stage.first.answer = events([chunk({ content: 'hello' }, {}, 'stop'), { ...completion(), choices: [] }]);
    const { chats } = stage.chats();
    expect(dataOf(await textOf(await ask(chats, chatCall({ stream: true }))))).toHaveLength(2);
    await stage.settle();
    expect(stage.published).toMatchObject([{ inputTokens: 11, outputTokens: 5 }]);
    expect(stage.published[0]).not.toHaveProperty('estimated');
  });

  test('is counted where the upstream does not report it, and said to be', async () => {
    stage.first.answer = whole(completion({ usage: undefined }, { role: 'assistant', content: 'one two three' }));
    const { chats } = stage.chats();
    expect(JSON.parse(await textOf(await ask(chats, chatCall({ messages: [{ role: 'user', content: [{ type: 'text', text: 'four words are here' }] }] }))))).toMatchObject({ usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 } });
    await stage.settle();
    expect(stage.published).toMatchObject([{ inputTokens: 4, outputTokens: 3, estimated: true }]);
  });

  test('is nothing where no upstream has answered', async () => {
    stage.first.answer = stage.second.answer = refusal(500);
    const { chats } = stage.chats();
    await ask(chats, chatCall());
    await stage.settle();
    expect(stage.published).toEqual([]);
  });

  test('of a stream that breaks off is what came of it', async () => {
    stage.first.answer = events([chunk({ content: 'one two three' })], { cut: true });
    const { chats } = stage.chats();
    await textOf(await ask(chats, chatCall({ stream: true })));
    await stage.settle();
    expect(stage.published).toMatchObject([{ inputTokens: 1, outputTokens: 3, estimated: true }]);
  });

  test('is stored after all where the database was lost meanwhile', async () => {
    stage.first.answer = whole(completion());
    const { chats, store } = stage.chats({ onTrouble: (err) => expect(err).toMatchObject({ code: '57P01' }) });
    const locking = await stage.on.db.pool.connect();
    await locking.query('begin; lock table engine.plain_calls in access exclusive mode');
    expect((await ask(chats, chatCall())).status).toBe(200);
    const ended = () => stage.on.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%plain_calls%'");
    await waitFor(async () => (await ended()).length === 1);
    await locking.query('rollback');
    locking.release();
    await store.stored();
    expect(await stage.on.sql('select count(*)::int as calls from engine.plain_calls')).toEqual([{ calls: 1 }]);
  });
});

describe('a client that leaves', () => {
  test('in the middle of a stream ends the request upstream, is charged for what it got, and frees its place', async () => {
    stage.first.answer = endless('one two three');
    const { chats } = stage.chats({ engine: { upstreams: [{ name: 'first', model: 'a' }] }, first: { concurrency: 1 } });
    const leave = new AbortController();
    const pieces = await begun(await ask(chats, chatCall({ stream: true }), leave.signal));
    const next = pieces.next();
    leave.abort();
    await next;
    await waitFor(() => stage.first.requests[0]!.isAborted);
    stage.first.answer = whole(completion());
    expect((await ask(chats, chatCall())).status).toBe(200);
    await stage.settle();
    expect(stage.published).toMatchObject([{ inputTokens: 1, outputTokens: 3, estimated: true }, { outputTokens: 5 }]);
  });

  test('by taking no more pieces ends the request upstream too', async () => {
    stage.first.answer = endless('one two three');
    const { chats } = stage.chats();
    const pieces = await begun(await ask(chats, chatCall({ stream: true })));
    await pieces.return!();
    await waitFor(() => stage.first.requests[0]!.isAborted);
    await stage.settle();
    expect(stage.published).toMatchObject([{ outputTokens: 3 }]);
  });

  test.each([false, true])('before it has got anything ends the request upstream and is charged for nothing (streamed: %s)', async (stream) => {
    stage.first.answer = () => undefined;
    const { chats } = stage.chats();
    const leave = new AbortController();
    const answer = ask(chats, chatCall({ stream }), leave.signal);
    await waitFor(() => stage.first.requests.length === 1);
    leave.abort();
    await answer;
    await waitFor(() => stage.first.requests[0]!.isAborted);
    await stage.settle();
    expect([stage.published, stage.second.requests]).toEqual([[], []]);
  });

  test('while it waits for a place is not waited for', async () => {
    stage.first.answer = () => undefined;
    const { chats } = stage.chats({ engine: { upstreams: [{ name: 'first', model: 'a' }] }, first: { concurrency: 1 } });
    const [holding, waiting] = [new AbortController(), new AbortController()];
    const held = ask(chats, chatCall(), holding.signal);
    await waitFor(() => stage.first.requests.length === 1);
    const answer = ask(chats, chatCall(), waiting.signal);
    waiting.abort();
    await answer;
    holding.abort();
    await held;
    expect(stage.first.requests).toHaveLength(1);
  });
});

describe('a process that ends', () => {
  test('lets its streams end, takes no new calls, and has counted all before it goes', async () => {
    let finish: () => void = () => undefined;
    stage.first.answer = (res, request) => {
      endless('one two three')(res, request);
      finish = () => res.end(`data: ${JSON.stringify(chunk({ content: ' four' }, {}, 'stop'))}\n\ndata: [DONE]\n\n`);
    };
    const { chats, store } = stage.chats();
    const answer = await ask(chats, chatCall({ stream: true }));
    const text = textOf(answer);
    const drained = chats.drain(new AbortController().signal);
    await expect(ask(chats, chatCall())).rejects.toMatchObject({ code: 'service_unavailable', headers: { 'retry-after': '1', 'x-draining': 'true' } });
    finish();
    expect(await text).toMatch(/four[^]*\[DONE\]/);
    await drained;
    await store.stored();
    expect(await stage.on.sql('select count(*)::int as calls from engine.plain_calls')).toEqual([{ calls: 1 }]);
  });

  test('in a hurry ends its streams with an error', async () => {
    stage.first.answer = endless('one two three');
    const { chats } = stage.chats();
    const text = textOf(await ask(chats, chatCall({ stream: true })));
    await chats.drain(AbortSignal.abort());
    expect(dataOf(await text).slice(-2)).toMatchObject([{ error: { code: 'service_unavailable' } }, '[DONE]']);
    await waitFor(() => stage.first.requests[0]!.isAborted);
  });
});

test('usage that billing may have missed is told again in pages, with that of turns', async () => {
  stage.first.answer = whole(completion());
  const { chats, relay, store } = stage.chats();
  const calls = [chatCall(), chatCall(), chatCall()];
  for (const call of calls) {
    await ask(chats, call);
    await store.stored();
  }
  const sessions = new SessionStore(stage.on.db, relay, LEASE_MS);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await sessions.usageSince(60_000, cursor, 2);
    seen.push(...page.events.map(({ runId, inputTokens, costMicroUsd }) => `${runId} ${inputTokens} ${costMicroUsd}`));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  expect(seen).toEqual(calls.map(({ callId }) => `${callId} 11 68`));
});
