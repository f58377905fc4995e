import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@nightshift/std';
import { startedEvent, turnEvents } from '../src/engine-events.ts';
import { arrived, engineStage, newSession, turnEnd, usage } from './stage.ts';

let on: Awaited<ReturnType<typeof engineStage>>;

beforeAll(async () => void (on = await engineStage()));
afterEach(() => on.clear());
afterAll(() => on.close());

const ids = (count: number) => Array.from({ length: count }, () => newId('call'));
const putBack = (session: Parameters<ReturnType<typeof on.store>['putBack']>[0]['session'], more = {}) => ({ session, upstreamFailures: 0, checkCount: 0, delayMs: 60_000, events: [], ...more });

describe('a session', () => {
  test('is inserted once, however often its start is commanded, and announced once', async () => {
    const session = newSession();
    const stores = [on.store(), on.store(), on.store()];
    const rows = await Promise.all(stores.map((store) => store.insert([session], [startedEvent(session)])));
    expect(rows.flat()).toMatchObject([{ runId: session.runId, id: session.runId, claimed: true, epoch: 1, attempts: 1, startedAt: expect.any(Date), request: session.request, step: 0 }]);
    expect(await on.events(session.runId)).toEqual(['run.progressed started']);
  });

  test('that is not claimed waits, due, and has not started', async () => {
    const session = newSession({ claim: false });
    const [row] = await on.store().insert([session], []);
    expect(row).toMatchObject({ claimed: false, epoch: 0, attempts: 0, startedAt: null });
    expect(await on.row(session.runId)).toMatchObject({ held: false, due: true, started: false });
    const store = on.store();
    await Promise.all([store.started(startedEvent(session)), on.store().started(startedEvent(session))]);
    expect(await on.row(session.runId)).toMatchObject({ started: true });
    expect(await on.events(session.runId)).toEqual(['run.progressed started']);
  });
});

describe('the end of a turn', () => {
  test('with tool calls is journaled with its events, and the session waits for the results', async () => {
    const session = await on.waiting(on.store(), ['call_a', 'call_b']);
    expect(await on.row(session.runId)).toMatchObject({ state: 'active', step: 1, pending: 2, held: false, due: false, attempts: 0 });
    expect((await on.row(session.runId))!.inMs).toBeGreaterThan(29_000);
    expect(await on.store().journal(session.runId)).toMatchObject([{ kind: 'turn', step: 0, calls: [{ callId: 'call_a' }, { callId: 'call_b' }] }]);
    expect(await on.events(session.runId)).toEqual(['run.progressed started', 'usage.recorded', 'tool.commanded call', 'tool.commanded call']);
  });

  test('with an answer ends the session with its outcome', async () => {
    const store = on.store();
    const session = await on.begun(store);
    const end = turnEnd(session, { answer: 'yes' });
    expect(await store.commit({ session, end, next: 'done', events: turnEvents(session, end, new Date()) })).toBe(true);
    expect(await on.row(session.runId)).toMatchObject({ state: 'done', held: false, due: null });
    expect(await store.load([session.runId])).toMatchObject([{ outcome: { status: 'succeeded', result: { answer: 'yes' } }, usage }]);
    expect(await on.events(session.runId)).toEqual(['run.progressed started', 'usage.recorded', 'run.progressed outcome']);
  });

  test('whose results are all known keeps the lease for the next one', async () => {
    const store = on.store();
    const session = await on.begun(store);
    const end = { ...turnEnd(session), results: [{ kind: 'result' as const, step: 0, callId: 'call_a', result: { isError: true, content: 'no such tool' } }] };
    expect(await store.commit({ session, end, next: 'turn', events: [] })).toBe(true);
    expect(await on.row(session.runId)).toMatchObject({ step: 1, pending: 0, held: true, epoch: session.epoch, attempts: 0 });
    expect((await store.journal(session.runId)).map(({ kind }) => kind)).toEqual(['turn', 'result']);
    const next = { ...session, step: 1 };
    expect(await store.commit({ session: next, end: turnEnd(next, { answer: 'done' }), next: 'done', events: [] })).toBe(true);
  });

  test('is fenced when the lease was taken: nothing is written and nothing is published', async () => {
    const store = on.store();
    const session = await on.begun(store);
    const other = await on.claim(session.runId);
    const late = turnEnd(session, { answer: 'late' });
    expect(await store.commit({ session, end: late, next: 'done', events: turnEvents(session, late, new Date()) })).toBe(false);
    expect(await store.putBack(putBack(session))).toBe(false);
    expect(await on.row(session.runId)).toMatchObject({ state: 'active', step: 0, held: true, epoch: other.epoch });
    expect(await store.journal(session.runId)).toEqual([]);
    const end = turnEnd(other, { answer: 'on time' });
    expect(await store.commit({ session: other, end, next: 'done', events: turnEvents(other, end, new Date()) })).toBe(true);
    expect(await on.events(session.runId)).toEqual(['run.progressed started', 'usage.recorded', 'run.progressed outcome']);
  });

  test('of one session that is fenced does not hurt the others of its batch', async () => {
    const store = on.store();
    const sessions = await Promise.all([1, 2, 3].map(() => on.begun(store)));
    await on.claim(sessions[1]!.runId);
    const results = await Promise.all(sessions.map((session) => store.commit({ session, end: turnEnd(session, { answer: 'yes' }), next: 'done', events: [] })));
    expect(results).toEqual([true, false, true]);
  });

  test('that is put back waits for its time, spends no attempt and counts the failure', async () => {
    const store = on.store();
    const session = await on.begun(store);
    expect(await store.putBack(putBack(session, { upstreamFailures: 3 }))).toBe(true);
    expect(await on.row(session.runId)).toMatchObject({ held: false, due: false, attempts: 0, upstreamFailures: 3 });
    const again = await on.claim(session.runId);
    expect(again).toMatchObject({ upstreamFailures: 3, attempts: 1 });
    await store.commit({ session: again, end: turnEnd(again, { calls: ['call_a'] }), next: 'tools', events: [] });
    expect(await on.row(session.runId)).toMatchObject({ upstreamFailures: 0 });
  });
});

describe('tool results', () => {
  test('are counted down, and the last one makes the session due', async () => {
    const store = on.store();
    const { runId } = await on.waiting(store, ['call_a', 'call_b']);
    expect(await store.results([arrived(runId, 'call_a')])).toEqual([]);
    expect(await on.row(runId)).toMatchObject({ pending: 1, due: false, held: false });
    expect(await store.results([arrived(runId, 'call_b')])).toMatchObject([{ runId, claimed: false, pending: 0 }]);
    expect(await on.row(runId)).toMatchObject({ pending: 0, due: true, held: false, attempts: 0 });
    expect((await store.journal(runId)).slice(1)).toMatchObject([{ callId: 'call_a', result: { content: 'call_a' } }, { callId: 'call_b', result: { content: 'call_b' } }]);
  });

  test('claim the session for whoever brings the last one', async () => {
    const store = on.store();
    const { runId } = await on.waiting(store, ['call_a']);
    const [session] = await store.results([arrived(runId, 'call_a', { claim: true })]);
    expect(session).toMatchObject({ claimed: true, attempts: 1, step: 1, startedAt: expect.any(Date) });
    expect(await store.commit({ session: session!, end: turnEnd(session!, { answer: 'yes' }), next: 'done', events: [] })).toBe(true);
  });

  test('that come twice change nothing the second time: in one batch, later, and after the next turn', async () => {
    const store = on.store();
    const { runId } = await on.waiting(store, ['call_a', 'call_b']);
    expect(await store.results([arrived(runId, 'call_a'), arrived(runId, 'call_a')])).toEqual([]);
    expect(await store.results([arrived(runId, 'call_a')])).toEqual([]);
    expect(await on.row(runId)).toMatchObject({ pending: 1 });
    const [session] = await store.results([arrived(runId, 'call_b', { claim: true })]);
    await store.commit({ session: session!, end: turnEnd(session!, { calls: ['call_c', 'call_d'] }), next: 'tools', events: [] });
    expect(await store.results([arrived(runId, 'call_a'), arrived(runId, 'call_b')])).toEqual([]);
    expect(await on.row(runId)).toMatchObject({ pending: 2, step: 2 });
  });

  test('are kept as long as the run has room for them; of later ones a note is kept, and the run goes on', async () => {
    const store = on.store();
    const session = await on.begun(store);
    const { runId } = session;
    const large = (callId: string, step: number, chars = 1000) => arrived(runId, callId, { step, claim: true, result: { isError: false, content: 'x'.repeat(chars) } });
    await store.commit({ session, end: turnEnd(session, { calls: ['call_a', 'call_b'], resultBytesMax: 2500 }), next: 'tools', events: [] });
    await store.results([large('call_a', 0)]);
    expect(await store.results([large('call_a', 0, 9000)])).toEqual([]);
    const [second] = await store.results([large('call_b', 0)]);
    await store.commit({ session: second!, end: turnEnd(second!, { calls: ['call_c', 'call_d'], resultBytesMax: 9_000_000 }), next: 'tools', events: [] });
    const [third] = await store.results([large('call_c', 1), large('call_d', 1, 10)]);
    expect(third).toMatchObject({ runId, claimed: true, pending: 0, step: 2 });
    const told = (await store.journal(runId)).flatMap((entry) => (entry.kind === 'result' ? [[entry.callId, entry.step, entry.result.errorCode ?? (entry.result.content as string).length]] : []));
    expect(told).toEqual([['call_a', 0, 1000], ['call_b', 0, 1000], ['call_c', 1, 'result_limit'], ['call_d', 1, 10]]);
  });

  test('of two runs in one batch take room of their own run alone', async () => {
    const store = on.store();
    const sessions = await Promise.all([1, 2].map(() => on.begun(store)));
    for (const [at, session] of sessions.entries()) await store.commit({ session, end: turnEnd(session, { calls: ['call_a'], resultBytesMax: [100, 2000][at]! }), next: 'tools', events: [] });
    await store.results(sessions.map(({ runId }) => arrived(runId, 'call_a', { result: { isError: false, content: 'x'.repeat(1000) } })));
    const codes = await Promise.all(sessions.map(async ({ runId }) => (await store.journal(runId)).flatMap((entry) => (entry.kind === 'result' ? [entry.result.errorCode] : []))));
    expect(codes).toEqual([['result_limit'], [undefined]]);
  });

  test('are counted exactly once when they come at once, twice each, at several replicas', async () => {
    const store = on.store();
    const calls = ids(8);
    const sessions = await Promise.all(Array.from({ length: 25 }, () => on.waiting(store, calls)));
    const deliveries = sessions.flatMap(({ runId }) => [...calls, ...calls].map((callId) => arrived(runId, callId)));
    const shuffled = deliveries.map((delivery, index) => ({ delivery, at: (index * 7919) % deliveries.length })).toSorted((a, b) => a.at - b.at).map(({ delivery }) => delivery);
    const replicas = [on.store(), on.store(), on.store(), on.store()];
    for (const { runId, request } of sessions) for (const replica of replicas) replica.remember({ runId, step: 1, request }, await store.journal(runId));
    const woken = await Promise.all(
      Array.from({ length: 20 }, (_, batch) => replicas[batch % 4]!.results(shuffled.slice(batch * 20, batch * 20 + 20))),
    );
    for (const { runId, request, journal = await store.journal(runId) } of woken.flat()) {
      expect(journal.flatMap((entry) => (entry.kind === 'result' ? [entry.callId] : []))).toEqual(calls.toSorted());
      expect(request).toEqual(sessions[0]!.request);
    }
    expect(woken.flat().map(({ runId }) => runId).toSorted()).toEqual(sessions.map(({ runId }) => runId).toSorted());
    expect(await on.sql('select distinct pending, due_at <= now() as due from engine.sessions')).toEqual([{ pending: 0, due: true }]);
  });

  test('of a run that nobody knows are left alone', async () => {
    expect(await on.store().results([arrived(newId('run'), 'call_a')])).toEqual([]);
    expect(await on.sql('select 1 from engine.journal')).toEqual([]);
  });

  test('that come while a check holds the session win: the check’s write is fenced', async () => {
    const store = on.store();
    const { runId } = await on.waiting(store, ['call_a', 'call_b']);
    const check = await on.claim(runId);
    expect(await store.results([arrived(runId, 'call_a')])).toEqual([]);
    expect(await on.row(runId)).toMatchObject({ held: true, epoch: check.epoch });
    const [session] = await store.results([arrived(runId, 'call_b', { claim: true })]);
    expect(session).toMatchObject({ claimed: true, attempts: 1, epoch: check.epoch + 1 });
    expect(await store.putBack(putBack(check, { checkCount: 1 }))).toBe(false);
    expect(await store.commit({ session: session!, end: turnEnd(session!, { answer: 'yes' }), next: 'done', events: [] })).toBe(true);
  });
});

describe('a stop', () => {
  test('that comes before the start leaves nothing to start', async () => {
    const store = on.store();
    const session = newSession();
    expect(await store.stop([session])).toMatchObject([{ runId: session.runId, step: 0, pending: 0, calls: null, usage: { inputTokens: 0 } }]);
    expect(await store.insert([session], [startedEvent(session)])).toEqual([]);
    expect(await on.row(session.runId)).toMatchObject({ state: 'done', due: null, held: false });
    expect(await on.events(session.runId)).toEqual([]);
  });

  test('while a turn runs fences it', async () => {
    const store = on.store();
    const session = await on.begun(store);
    await store.stop([session]);
    expect(await on.row(session.runId)).toMatchObject({ state: 'done', held: false, due: null });
    expect(await store.commit({ session, end: turnEnd(session, { answer: 'late' }), next: 'done', events: [] })).toBe(false);
    expect(await store.putBack(putBack(session))).toBe(false);
    expect(await store.load([session.runId])).toMatchObject([{ outcome: null }]);
  });

  test('tells what the session used and which calls it waits for, as often as it is told', async () => {
    const store = on.store();
    const { runId } = await on.waiting(store, ['call_a', 'call_b']);
    const [session] = await store.load([runId]);
    const told = { runId, step: 1, pending: 2, calls: ['call_a', 'call_b'], usage };
    expect(await store.stop([session!, session!])).toMatchObject([told]);
    expect(await on.store().stop([session!])).toMatchObject([told]);
  });

  test('makes late results wake nobody', async () => {
    const store = on.store();
    const { runId } = await on.waiting(store, ['call_a']);
    await store.stop(await store.load([runId]));
    expect(await store.results([arrived(runId, 'call_a', { claim: true })])).toEqual([]);
    expect(await on.row(runId)).toMatchObject({ state: 'done', held: false, due: null });
  });

  test('of a session that is done keeps its outcome', async () => {
    const store = on.store();
    const session = await on.begun(store);
    await store.commit({ session, end: turnEnd(session, { answer: 'yes' }), next: 'done', events: [] });
    await store.stop([session]);
    expect(await store.load([session.runId])).toMatchObject([{ state: 'done', outcome: { status: 'succeeded' } }]);
  });
});

describe('what billing may have missed', () => {
  test('is told in pages that neither repeat nor miss a turn, also of turns of the same moment', async () => {
    const store = on.store();
    const sessions = await Promise.all(Array.from({ length: 7 }, () => on.begun(store)));
    await Promise.all(sessions.map((session) => store.commit({ session, end: turnEnd(session, { answer: 'yes' }), next: 'done', events: [] })));
    await on.sql("update engine.journal set created_at = '2026-01-01T00:00:00.123456Z'");
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < 10; page += 1) {
      const { events, nextCursor } = await store.usageSince(Date.now(), cursor, 2);
      seen.push(...events.map(({ runId, step }) => `${runId} ${step}`));
      if (nextCursor === null) break;
      cursor = nextCursor;
    }
    expect(seen.toSorted()).toEqual(sessions.map(({ runId }) => `${runId} 0`).toSorted());
  });

  test('goes no further back than asked for', async () => {
    const store = on.store();
    const session = await on.waiting(store, ['call_a']);
    expect((await store.usageSince(60_000, undefined, 10)).events).toMatchObject([{ runId: session.runId, step: 0, costMicroUsd: 1, engine: 'tim', orgId: 'org_1' }]);
    await on.sql("update engine.journal set created_at = now() - interval '2 minutes'");
    expect((await store.usageSince(60_000, undefined, 10)).events).toEqual([]);
  });
});

test('retention deletes what ended long ago with its journal, and nothing that goes on', async () => {
  const store = on.store();
  const [old, open] = [await on.begun(store), await on.waiting(store, ['call_a'])];
  await store.commit({ session: old, end: turnEnd(old, { answer: 'yes' }), next: 'done', events: [] });
  await on.sql("update engine.sessions set finished_at = now() - interval '31 days' where state = 'done'");
  await on.sql("update engine.sessions set created_at = now() - interval '31 days'");
  expect([await store.forget(30, 10), await store.forget(30, 10)]).toEqual([1, 0]);
  expect(await on.sql('select run_id from engine.sessions')).toEqual([{ run_id: open.runId }]);
  expect(await on.sql('select distinct run_id from engine.journal')).toEqual([{ run_id: open.runId }]);
});
