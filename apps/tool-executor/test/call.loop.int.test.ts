import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Payload } from '@nightshift/contracts';
import type { Database } from '@nightshift/postgres';
import { newId, seal } from '@nightshift/std';
import { type FakeEndpoint, startFakeEndpoint, waitFor } from '@nightshift/testing';
import { callStage, newCall, sealKey, tool } from './stage.ts';

let on: Awaited<ReturnType<typeof callStage>>;
let fake: FakeEndpoint;

beforeAll(async () => {
  on = await callStage();
  fake = await startFakeEndpoint();
});
afterEach(async () => {
  await on.clear();
  fake.reset();
});
afterAll(async () => {
  await fake.close();
  await on.close();
});

const url = (path: string) => `${fake.url}/tool/${path}`;
const ended = (id: string) => waitFor(async () => (await on.row(id))?.result, { describe: 'the end of the call' });
const requestsOf = (id: string) => fake.effects().get(id) ?? [];
/** A call as it stands when the worker that made it was killed. */
async function orphaned(call: ReturnType<typeof newCall>, attempts = 1): Promise<void> {
  await on.executor({ works: false }).calls.insert([call]);
  await on.sql("update tools.calls set attempts = $2, epoch = $2, lease_until = now() - interval '1 ms' where id = $1", [call.id, attempts]);
}

describe('a call', () => {
  test('is made at once, with its id as the key, and the engine is told', async () => {
    const call = newCall(url('echo'));
    await on.executor().begin([call]);
    expect(await ended(call.id)).toEqual({ isError: false, content: { tries: 1, received: { q: 1 } } });
    expect(requestsOf(call.id)).toMatchObject([{ body: '{"q":1}', headers: { 'x-attempt': '1' } }]);
    expect(await on.told(call.id)).toEqual([{ isError: false, content: { tries: 1, received: { q: 1 } } }]);
    expect(await on.row(call.id)).toMatchObject({ state: 'done', held: false, due: null, attempts: 0 });
  });

  test('is made once by all executors together', async () => {
    const calls = Array.from({ length: 60 }, () => newCall(url('echo')));
    const executors = [on.executor({ slots: 5 }), on.executor({ slots: 5 }), on.executor({ slots: 5 })];
    await Promise.all(executors.map(({ begin }) => begin(calls)));
    for (const { id } of calls) expect(await ended(id)).toMatchObject({ isError: false });
    expect([...fake.effects().values()].map((list) => list.length)).toEqual(calls.map(() => 1));
  });

  test('whose worker was killed is repeated under the same id, and says that it is the second attempt', async () => {
    const call = newCall(url('echo'));
    await orphaned(call);
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: false });
    expect(requestsOf(call.id)).toMatchObject([{ idempotencyKey: call.id, headers: { 'x-attempt': '2' } }]);
    expect(await on.told(call.id)).toHaveLength(1);
  });

  test('whose worker was killed five times is given up', async () => {
    const call = newCall(url('echo'));
    await orphaned(call, 5);
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'worker_lost' });
    expect(requestsOf(call.id)).toEqual([]);
  });

  test('whose lease was taken ends nothing: the other’s result stands, and the engine is told once', async () => {
    const { begin, calls } = on.executor();
    const call = newCall(url('echo?ms=200'));
    const [claimed] = await begin([call]);
    await waitFor(() => fake.requests().length === 1);
    await on.sql("update tools.calls set epoch = epoch + 1, lease_until = now() + interval '1 minute'");
    expect(await calls.commit({ call: claimed as never, result: { isError: false, content: 'late' } })).toMatchObject({ isOurs: false });
    expect(await on.row(call.id)).toMatchObject({ state: 'active', held: true, result: null });
    expect(await on.told(call.id)).toEqual([]);
  });

  test('is not made twice because the database was away when it was to be committed', async () => {
    let failures = 3;
    const away = Object.assign(new Error('terminating connection'), { code: '57P01' });
    const query: Database['query'] = (asked, params) => (asked.name === 'tools.commit' && failures-- > 0 ? Promise.reject(away) : on.db.query(asked, params));
    const call = newCall(url('echo'));
    await on.executor({ on: { ...on.db, query } }).begin([call]);
    expect(await ended(call.id)).toMatchObject({ isError: false });
    expect([requestsOf(call.id).length, failures]).toEqual([1, -1]);
  });

  test('that fails is a result for the model', async () => {
    const { begin } = on.executor();
    const calls = [newCall(url('status/500')), newCall(url('echo?hang=1'), { tool: tool(url('echo?hang=1'), { timeoutMs: 100 }) }), newCall('http://10.0.0.1/x')];
    await begin(calls);
    expect(await Promise.all(calls.map(async ({ id }) => ((await ended(id)) as { errorCode?: string }).errorCode))).toEqual(['http_status', 'timeout', 'address_blocked']);
  });

  test('of a built-in tool is made in this process, and its options win over the model’s arguments', async () => {
    const calls = [
      newCall(url('echo'), { tool: { type: 'platform', id: 'calculator' }, arguments: { expression: '6 * 7' } }),
      newCall(url('echo'), { tool: { type: 'platform', id: 'calculator', options: { expression: '1 + 1' } }, arguments: { expression: '6 * 7' } }),
    ];
    await on.executor().begin(calls);
    expect(await Promise.all(calls.map(({ id }) => ended(id)))).toMatchObject([{ isError: false, content: { result: '42' } }, { isError: false, content: { result: '2' } }]);
    expect(calls.flatMap(({ id }) => requestsOf(id))).toEqual([]);
  });

  test('of a built-in tool with wrong arguments says what is wrong with them', async () => {
    const call = newCall(url('echo'), { tool: { type: 'platform', id: 'page_reader' }, arguments: {} });
    await on.executor().begin([call]);
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'invalid_arguments', content: { message: expect.stringContaining('url') } });
  });

  test('of a search says that there is none', async () => {
    const call = newCall(url('echo'), { tool: { type: 'platform', id: 'web_search' } });
    await on.executor().begin([call]);
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'not_available' });
  });
});

describe('a tool that must not be called twice', () => {
  const once = (path: string) => newCall(url(path), { tool: tool(url(path), { retry: 'never' }) });

  test('is called like any other when nothing goes wrong', async () => {
    const call = once('echo');
    await on.executor().begin([call]);
    expect(await ended(call.id)).toMatchObject({ isError: false });
  });

  test('is not called again when its worker was killed: the model is told that the outcome is unknown', async () => {
    const call = once('echo');
    await orphaned(call);
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'outcome_unknown' });
    expect(requestsOf(call.id)).toEqual([]);
  });

  test('is not called again when its worker was told to go in the middle of the call', async () => {
    const first = on.executor();
    const call = once('echo?hang=1');
    await first.begin([call]);
    await waitFor(() => fake.requests().length === 1);
    await first.loop.drain(AbortSignal.abort());
    on.executor();
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'outcome_unknown' });
    expect(fake.requests()).toHaveLength(1);
    expect(await on.told(call.id)).toHaveLength(1);
  });
});

test('a call whose worker must go is made by another one', async () => {
  const first = on.executor();
  const call = newCall(url('echo?hang=1'));
  await first.begin([call]);
  await waitFor(() => fake.requests().length === 1);
  await first.loop.drain(AbortSignal.abort());
  on.executor();
  expect(await ended(call.id)).toMatchObject({ isError: false });
  expect(fake.requests().map(({ idempotencyKey }) => idempotencyKey)).toEqual([call.id, call.id]);
});

describe('credentials', () => {
  const secrets = { headers: { 'x-key': 'canary-header' }, defaults: { key: 'canary-default', q: 2 } };

  test('are opened for the call alone, and neither stored nor told', async () => {
    const call = newCall(url('status/204'), { tool: tool(url('status/204'), { sealed: seal(JSON.stringify(secrets), sealKey.publicKey, 'org_1') }) });
    await on.executor().begin([call]);
    await ended(call.id);
    expect(requestsOf(call.id)).toMatchObject([{ body: '{"q":2,"key":"canary-default"}', headers: { 'x-key': 'canary-header' } }]);
    expect(JSON.stringify([await on.sql('select * from tools.calls'), await on.told(call.id)])).not.toContain('canary');
  });

  test('of another organisation, or of a key that has gone, are not opened', async () => {
    const call = newCall(url('echo'), { tool: tool(url('echo'), { sealed: seal(JSON.stringify(secrets), sealKey.publicKey, 'org_2') }) });
    await on.executor().begin([call]);
    expect(await ended(call.id)).toMatchObject({ isError: true, errorCode: 'credentials_unreadable' });
    expect(requestsOf(call.id)).toEqual([]);
  });
});

describe('a cancel', () => {
  test('that comes before its call leaves nothing to make', async () => {
    const { calls, begin } = on.executor();
    const call = newCall(url('echo'));
    await calls.cancel([call]);
    expect(await begin([call])).toEqual([]);
    expect(await on.row(call.id)).toMatchObject({ state: 'canceled', due: null, held: false });
    expect(requestsOf(call.id)).toEqual([]);
  });

  test('while the call runs aborts its request wherever it runs, and frees the slot', async () => {
    const [here, there] = [on.executor({ slots: 1 }), on.executor({ works: false })];
    const [call, next] = [newCall(url('echo?hang=1')), newCall(url('echo'))];
    await here.begin([call]);
    await waitFor(() => fake.requests().length === 1);
    await here.begin([next]);
    expect(await there.calls.cancel([call])).toEqual([call.id]);
    there.loop.cancel(call.id);
    expect(await ended(next.id)).toMatchObject({ isError: false });
    expect(await on.row(call.id)).toMatchObject({ state: 'canceled', result: null, held: false });
    expect(await on.told(call.id)).toEqual([]);
  });

  test('of a call that is done changes nothing', async () => {
    const { calls, begin } = on.executor();
    const call = newCall(url('echo'));
    await begin([call]);
    await ended(call.id);
    expect(await calls.cancel([call, call])).toEqual([]);
    expect(await on.row(call.id)).toMatchObject({ state: 'done' });
  });
});

describe('a result that is too large to travel', () => {
  test('is announced without its content, and is there for who asks', async () => {
    const { calls, begin } = on.executor();
    const [large, small] = [newCall(url('big?bytes=100000')), newCall(url('big?bytes=1000'))];
    await begin([large, small]);
    await Promise.all([ended(large.id), ended(small.id)]);
    expect(await on.told(large.id)).toEqual([undefined]);
    expect(await on.told(small.id)).toMatchObject([{ content: { page: 'x'.repeat(1000) } }]);
    expect(await calls.result(large.id)).toEqual({ isError: false, content: { page: 'x'.repeat(100_000) } });
  });

  test('is not found of a call that is not done', async () => {
    const { calls } = on.executor({ works: false });
    const call = newCall(url('echo'));
    await calls.insert([call]);
    await expect(calls.result(call.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(calls.result('call_unknown')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what the engine commands', () => {
  const message = (payload: Payload<'tool.commanded'>) => ({ id: newId('evt'), payload, traceparent: '00-trace' });
  const ids = (callId = newId('call')) => ({ callId, runId: newId('run'), orgId: 'org_1', pool: 'shared', step: 0 });
  const callOf = (of: ReturnType<typeof ids>) => message({ command: 'call', ...of, tool: tool(url('echo')), arguments: { q: 1 } });

  test('twice in a batch is made once', async () => {
    const of = ids();
    await on.executor().consumer.commanded([callOf(of), callOf(of)]);
    await ended(of.callId);
    expect(fake.requests()).toHaveLength(1);
  });

  test('again when it is done is answered again, and not made again', async () => {
    const { consumer } = on.executor();
    const of = ids();
    await consumer.commanded([callOf(of)]);
    await ended(of.callId);
    await consumer.commanded([callOf(of)]);
    expect(await on.told(of.callId)).toHaveLength(2);
    expect(fake.requests()).toHaveLength(1);
  });

  test('while it runs is neither made nor answered again', async () => {
    const { consumer } = on.executor();
    const of = ids();
    const slow = message({ command: 'call', ...of, tool: tool(url('echo?ms=150')), arguments: {} });
    await consumer.commanded([slow]);
    await waitFor(() => fake.requests().length === 1);
    await consumer.commanded([slow]);
    await ended(of.callId);
    expect([fake.requests().length, (await on.told(of.callId)).length]).toEqual([1, 1]);
  });

  test('and cancels in one batch is canceled, whatever stands first', async () => {
    const { consumer } = on.executor({ works: false });
    const [first, second] = [ids(), ids()];
    await consumer.commanded([message({ command: 'cancel', ...first }), callOf(first), callOf(second), message({ command: 'cancel', ...second })]);
    expect(await on.sql('select distinct state, due_at from tools.calls')).toEqual([{ state: 'canceled', due_at: null }]);
  });

  test('too large to travel is asked for', async () => {
    const of = ids();
    on.answers[`/internal/sessions/${of.runId}/calls/${of.callId}`] = { tool: tool(url('echo')), arguments: { q: 'long' } };
    await on.executor().consumer.commanded([message({ command: 'call', ...of })]);
    expect(await ended(of.callId)).toMatchObject({ content: { received: { q: 'long' } } });
    expect(on.asked).toHaveLength(1);
  });

  test('that has waited is not made for a run that has ended meanwhile', async () => {
    const [ended, open] = [ids(), ids()];
    on.answers['/internal/ended-sessions'] = { runIds: [ended.runId] };
    await on.executor({ works: false }).consumer.commanded([ended, open].map((of) => ({ ...callOf(of), id: newId('evt', Date.now() - 60_000) })));
    expect([on.asked, await on.sql('select id from tools.calls')]).toEqual([['/internal/ended-sessions'], [{ id: open.callId }]]);
  });
});

test('retention deletes calls that ended long ago, and none that goes on', async () => {
  const { calls, begin } = on.executor();
  const [old, open] = [newCall(url('echo')), newCall(url('echo?hang=9'))];
  await begin([old, open]);
  await ended(old.id);
  await on.sql("update tools.calls set finished_at = now() - interval '31 days' where finished_at is not null");
  expect([await calls.forget(30, 10), await calls.forget(30, 10)]).toEqual([1, 0]);
  expect(await on.sql('select id from tools.calls')).toEqual([{ id: open.id }]);
});
