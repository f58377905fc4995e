import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { arrived, engineStage, turnEnd } from './stage.ts';

let on: Awaited<ReturnType<typeof engineStage>>;

beforeAll(async () => void (on = await engineStage()));
afterEach(() => on.clear());
afterAll(() => on.close());

describe('what a process has seen of a session itself', () => {
  test('comes with the last result as it would be read, and once only', async () => {
    const store = on.store();
    const { runId, request } = await on.waiting(store, ['call_b', 'call_a']);
    store.remember({ runId, step: 1, request }, await store.journal(runId));
    expect(await store.results([arrived(runId, 'call_b', { result: { isError: false, content: { sky: 'blue' } } })])).toEqual([]);
    const [session] = await store.results([arrived(runId, 'call_a', { claim: true })]);
    expect(session).toMatchObject({ request, journal: [{ kind: 'turn' }, { callId: 'call_a' }, { callId: 'call_b' }] });
    expect(session!.journal).toEqual(await store.journal(runId));
    await store.commit({ session: session!, end: turnEnd(session!, { calls: ['call_c'] }), next: 'tools', events: [] });
    const [next] = await store.results([arrived(runId, 'call_c', { step: 1 })]);
    expect(next).toMatchObject({ step: 2, request });
    expect(next!.journal).toBeUndefined();
  });

  test('is not given out once another process has made a turn', async () => {
    const [here, elsewhere] = [on.store(), on.store()];
    const { runId, request } = await on.waiting(here, ['call_a']);
    here.remember({ runId, step: 1, request }, await here.journal(runId));
    const [session] = await elsewhere.results([arrived(runId, 'call_a', { claim: true })]);
    expect(session!.journal).toBeUndefined();
    await elsewhere.commit({ session: session!, end: turnEnd(session!, { calls: ['call_b'] }), next: 'tools', events: [] });
    const [next] = await here.results([arrived(runId, 'call_b', { step: 1 })]);
    expect(next).toMatchObject({ step: 2, request });
    expect(next!.journal).toBeUndefined();
  });

  test('tells how it ended as whoever reads it is told', async () => {
    const store = on.store();
    const session = await on.begun(store);
    await store.commit({ session, end: turnEnd(session, { answer: 'yes' }), next: 'done', events: [] });
    const read = await on.store().ends([session.runId]);
    expect(read).toMatchObject([{ state: 'done', step: 1, outcome: { status: 'succeeded' } }]);
    await on.sql('delete from engine.sessions');
    expect(await store.ends([session.runId])).toEqual(read);
  });
});
