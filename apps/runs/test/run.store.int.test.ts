import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@nightshift/std';
import type { RunEvent } from '../src/run.ts';
import { newRun, runsStage, usage } from './stage.ts';

let on: Awaited<ReturnType<typeof runsStage>>;

beforeAll(async () => void (on = await runsStage()));
afterEach(() => on.clear());
afterAll(() => on.close());

const succeeded = (answer: string): RunEvent => ({ kind: 'outcome', usage, outcome: { status: 'succeeded', result: { answer } } });
const row = async (runId: string) => (await on.sql<{ status: string; version: number; usage: unknown }>('select status, version, usage from runs.runs where id = $1', [runId]))[0];
const keyed = (key: string, bodyHash = 'hash', more: object = {}) => newRun({ idempotency: { route: '/v1/runs', key, bodyHash }, ...more });

describe('a run that is accepted', () => {
  test('is stored with the order to start it, and is readable', async () => {
    const run = newRun({ metadata: { order: 7 } });
    expect(await on.store().create(run)).toEqual({ runId: run.runId, replayed: false });
    expect(await on.reader.get(run.runId, run.orgId)).toMatchObject({ runId: run.runId, status: 'queued', engine: 'tim', metadata: { order: 7 } });
    expect(await on.reader.request(run.runId)).toEqual(run.request);
    expect(await on.events(run.runId)).toEqual(['run.commanded start']);
    expect(await on.sql('select 1 from runs.outbox')).toEqual([]);
  });

  test('is not found by another organisation', async () => {
    const run = newRun();
    await on.store().create(run);
    await expect(on.reader.get(run.runId, 'org_2')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('is the same run when its creation is asked for again, also by another replica', async () => {
    const run = newRun();
    await Promise.all([on.store().create(run), on.store().create(run)]);
    expect(await on.sql('select id from runs.runs')).toEqual([{ id: run.runId }]);
    expect(await on.events(run.runId)).toEqual(['run.commanded start']);
  });

  test('does not suffer from another one in its batch that cannot be stored', async () => {
    const store = on.store();
    const [good, bad, alsoGood] = [newRun(), newRun({ timeoutMs: Number.MAX_SAFE_INTEGER }), newRun()];
    const results = await Promise.allSettled([good, bad, alsoGood].map((run) => store.create(run)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await on.sql('select 1 from runs.runs')).toHaveLength(2);
  });
});

describe('an idempotency key', () => {
  test('with the same body gives the first run again, whatever state it is in', async () => {
    const store = on.store();
    const first = keyed('k');
    await store.create(first);
    await store.apply([{ runId: first.runId, event: succeeded('done') }]);
    expect(await store.create(keyed('k'))).toEqual({ runId: first.runId, replayed: true });
    expect(await on.sql('select 1 from runs.runs')).toHaveLength(1);
  });

  test('with another body is a conflict that no client should retry, and changes nothing', async () => {
    const store = on.store();
    await store.create(keyed('k'));
    await expect(store.create(keyed('k', 'other'))).rejects.toMatchObject({ code: 'conflict', headers: { 'x-should-retry': 'false' } });
    expect(await on.sql('select 1 from runs.runs')).toHaveLength(1);
  });

  test('makes one run, however many ask at once, on one replica and on two', async () => {
    const stores = [on.store(), on.store()];
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => stores[index % 2]!.create(keyed('k'))));
    expect(new Set(results.map(({ runId }) => runId)).size).toBe(1);
    expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await on.sql('select 1 from runs.runs')).toHaveLength(1);
    expect(await on.events(results[0]!.runId)).toEqual(['run.commanded start']);
  });

  test('tells of its run without a new one, to who asks for that alone', async () => {
    const store = on.store();
    const first = keyed('k');
    const { idempotency } = first;
    expect(await store.holderOf(first.orgId, idempotency!)).toBeNull();
    await store.create(first);
    expect(await store.holderOf(first.orgId, idempotency!)).toBe(first.runId);
    expect(await store.holderOf('org_2', idempotency!)).toBeNull();
    await expect(store.holderOf(first.orgId, { ...idempotency!, bodyHash: 'other' })).rejects.toMatchObject({ code: 'conflict' });
    await on.sql("update runs.idempotency_keys set created_at = now() - interval '24 hours 1 second'");
    expect(await store.holderOf(first.orgId, idempotency!)).toBeNull();
  });

  test('belongs to an organisation and a route', async () => {
    const store = on.store();
    const runs = [keyed('k'), keyed('k', 'hash', { orgId: 'org_2' }), newRun({ idempotency: { route: '/v1/other', key: 'k', bodyHash: 'hash' } })];
    expect(await Promise.all(runs.map((run) => store.create(run)))).toEqual(runs.map(({ runId }) => ({ runId, replayed: false })));
  });

  test('is free again after 24 hours and not before, for one of those who ask at once', async () => {
    const store = on.store();
    const first = keyed('k');
    await store.create(first);
    await on.sql("update runs.idempotency_keys set created_at = now() - interval '23 hours 59 minutes'");
    expect(await store.create(keyed('k'))).toEqual({ runId: first.runId, replayed: true });
    await on.sql("update runs.idempotency_keys set created_at = now() - interval '24 hours 1 second'");
    const others = [on.store(), on.store()];
    const results = await Promise.all(Array.from({ length: 6 }, (_, index) => others[index % 2]!.create(keyed('k', 'other'))));
    expect(new Set(results.map(({ runId }) => runId)).size).toBe(1);
    expect(results[0]!.runId).not.toBe(first.runId);
    expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await on.sql('select 1 from runs.runs')).toHaveLength(2);
  });
});

describe('what happens to a run', () => {
  test('at two replicas at once ends it once, and is announced once', async () => {
    const run = newRun({ callbackUrl: 'https://example.com/hook' });
    await on.store().create(run);
    const stores = [on.store(), on.store(), on.store()];
    const events: RunEvent[] = [succeeded('a'), { kind: 'cancel' }, succeeded('b'), { kind: 'started' }, { kind: 'stopped', usage }, { kind: 'cancel' }];
    const results = await Promise.all(events.map((event, index) => stores[index % 3]!.apply([{ runId: run.runId, event }])));
    const { status } = (await row(run.runId))!;
    expect(['succeeded', 'canceled']).toContain(status);
    const ends = new Set(results.map((result) => result.get(run.runId)!.status).filter((seen) => seen !== 'running' && seen !== 'queued'));
    expect([...ends]).toEqual([status]);
    expect((await on.events(run.runId)).filter((event) => event.startsWith('run.finished'))).toEqual([`run.finished ${status}`]);
  });

  test('in one batch is applied in its order', async () => {
    const run = newRun();
    const store = on.store();
    await store.create(run);
    const result = await store.apply([{ kind: 'started' } as const, succeeded('done'), { kind: 'cancel' } as const].map((event) => ({ runId: run.runId, event })));
    expect(result.get(run.runId)).toMatchObject({ status: 'succeeded', result: { answer: 'done' } });
    expect(await row(run.runId)).toMatchObject({ status: 'succeeded', version: 1 });
  });

  test('to many runs at once concerns each of them', async () => {
    const store = on.store();
    const runs = Array.from({ length: 50 }, () => newRun());
    await Promise.all(runs.map((run) => store.create(run)));
    const result = await store.apply(runs.map(({ runId }) => ({ runId, event: succeeded(runId) })));
    expect([...result].every(([runId, run]) => run.result?.answer === runId)).toBe(true);
    expect(await on.sql("select 1 from runs.runs where status = 'succeeded' and result->>'answer' = id")).toHaveLength(50);
  });

  test('that changes nothing writes nothing', async () => {
    const run = newRun();
    const store = on.store();
    await store.create(run);
    await store.apply([{ runId: run.runId, event: succeeded('done') }]);
    await store.apply([{ runId: run.runId, event: succeeded('again') }]);
    expect(await row(run.runId)).toMatchObject({ version: 1 });
  });

  test('to a run that nobody knows is left alone', async () => {
    expect(await on.store().apply([{ runId: newId('run'), event: { kind: 'started' } }])).toEqual(new Map());
  });

  test('is not announced when it could not be committed', async () => {
    const run = newRun();
    const store = on.store();
    await store.create(run);
    await on.sql("alter table runs.outbox add constraint refused check (topic <> 'run.finished')");
    await expect(store.apply([{ runId: run.runId, event: succeeded('done') }])).rejects.toThrow('refused');
    await on.sql('alter table runs.outbox drop constraint refused');
    expect(await row(run.runId)).toMatchObject({ status: 'queued', version: 0 });
    expect(await on.events(run.runId)).toEqual(['run.commanded start']);
  });
});

describe('a run that is due', () => {
  const makeDue = (what: string) => on.sql(`update runs.runs set ${what}, due_at = now()`);

  test('times out at its deadline, once, whoever attends to it', async () => {
    const run = newRun();
    await on.store().create(run);
    await on.store().apply([{ runId: run.runId, event: { kind: 'started' } }]);
    await makeDue("deadline_at = now() - interval '1 ms'");
    await Promise.all([on.store(), on.store(), on.store()].map((store) => store.attendDue(10)));
    expect(await on.reader.get(run.runId, run.orgId)).toMatchObject({ status: 'timed_out', error: { code: 'timeout' } });
    expect((await on.events(run.runId)).toSorted()).toEqual(['run.commanded start', 'run.commanded stop', 'run.finished timed_out']);
  });

  test('that waited in the queue for too long says so', async () => {
    const run = newRun();
    await on.store().create(run);
    await makeDue("deadline_at = now() - interval '1 ms'");
    await on.store().attendDue(10);
    expect(await on.reader.get(run.runId, run.orgId)).toMatchObject({ status: 'timed_out', error: { code: 'queue_timeout' } });
  });

  test('of which the engine is silent is commanded again with its request, and looked at later', async () => {
    const run = newRun();
    const store = on.store();
    await store.create(run);
    await makeDue('check_at = now()');
    expect(await store.attendDue(10)).toBe(1);
    expect(await store.attendDue(10)).toBe(0);
    expect(await on.events(run.runId)).toEqual(['run.commanded start', 'run.commanded start']);
    expect(await on.sql("select 1 from runs.runs where status = 'queued' and check_count = 1 and due_at between now() + interval '55 s' and now() + interval '60 s'")).toHaveLength(1);
  });

  test('is attended to in turn with the others, at most as many as asked for', async () => {
    const store = on.store();
    await Promise.all(Array.from({ length: 5 }, () => store.create(newRun())));
    await makeDue("deadline_at = now() - interval '1 ms'");
    expect([await store.attendDue(3), await store.attendDue(3), await store.attendDue(3)]).toEqual([3, 2, 0]);
  });
});

describe('retention', () => {
  test('deletes what ended long ago, and nothing that still waits for something', async () => {
    const store = on.store();
    const [old, fresh, waiting, running] = [newRun(), newRun(), newRun(), newRun()];
    await Promise.all([old, fresh, waiting, running].map((run) => store.create(run)));
    await store.apply([old, fresh].map(({ runId }) => ({ runId, event: succeeded('done') })));
    await store.apply([{ runId: waiting.runId, event: { kind: 'cancel' } }, { runId: running.runId, event: { kind: 'started' } }]);
    await on.sql("update runs.runs set completed_at = now() - interval '31 days', created_at = now() - interval '31 days' where id <> $1 and completed_at is not null", [fresh.runId]);
    expect(await store.forget(30, 100)).toBe(1);
    const left = (await on.sql<{ id: string }>('select id from runs.runs order by id')).map(({ id }) => id);
    expect(left).toEqual([fresh, waiting, running].map(({ runId }) => runId).toSorted());
  });

  test('goes in batches, and takes idempotency keys that are free again', async () => {
    const store = on.store();
    const runs = ['a', 'b', 'c'].map((key) => keyed(key));
    await Promise.all(runs.map((run) => store.create(run)));
    await store.apply(runs.map(({ runId }) => ({ runId, event: succeeded('done') })));
    await on.sql("update runs.runs set completed_at = now() - interval '31 days'");
    await on.sql("update runs.idempotency_keys set created_at = now() - interval '26 hours' where key <> 'c'");
    await store.forget(30, 2);
    expect(await on.sql('select 1 from runs.runs')).toHaveLength(1);
    expect(await store.forget(30, 2)).toBeGreaterThan(0);
    expect(await store.forget(30, 2)).toBe(0);
    expect(await on.sql('select 1 from runs.runs')).toEqual([]);
    expect(await on.sql('select key from runs.idempotency_keys')).toEqual([{ key: 'c' }]);
  });
});
