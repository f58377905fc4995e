import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { AppError } from '@nightshift/contracts';
import type { DeadLetterStore } from '@nightshift/messaging';
import { type Database, statement } from '@nightshift/postgres';
import { waitFor } from '@nightshift/testing';
import { consumingService, deadLetterDatabase, stop, type Take } from './stage.ts';

let db: Database;
let store: DeadLetterStore;
let closeDatabase: () => Promise<void>;
const services: { close: () => Promise<void> }[] = [];

beforeAll(async () => void ({ db, store, close: closeDatabase } = await deadLetterDatabase()));
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.close()));
  await db.query(statement('clear', 'truncate app.dead_letters'));
});
afterAll(() => closeDatabase());

async function service(take: Take, pool?: string) {
  const made = await consumingService(store, take, pool === undefined ? {} : { pool });
  services.push(made);
  const publish = (runId: string, payload: unknown = stop(runId)) => made.bus.publish({ id: `evt_${runId}`, topic: 'run.commanded', pool: 'shared', key: runId, payload, traceparent: '00-trace' });
  return { ...made, publish };
}

const letter = (id: string, more: { topic?: string; key?: string; value?: unknown } = {}) => ({ message: { id, topic: 'run.commanded', key: 'k', value: 'not json', headers: { 'event-id': id }, ...more }, error: 'not JSON', attempts: 1 });
const letters = async () => (await store.list({})).deadLetters;

describe('a service that consumes', () => {
  test('hands a topic’s batches to the method that is marked with it', async () => {
    const taken: string[] = [];
    const { publish, readiness } = await service((ids) => void taken.push(...ids));
    await Promise.all(['a', 'b', 'c'].map((runId) => publish(runId)));
    expect(taken.toSorted()).toEqual(['a', 'b', 'c']);
    expect(await readiness.read()).toEqual({ status: 'ready' });
  });

  test('keeps a message that it cannot parse as a dead letter with its reason, and goes on', async () => {
    const taken: string[] = [];
    const { publish } = await service((ids) => void taken.push(...ids));
    await Promise.all([publish('bad', { command: 'dance' }), publish('good')]);
    expect(taken).toEqual(['good']);
    expect(await letters()).toMatchObject([{ service: 'test-service', topic: 'run.commanded', key: 'bad', payload: '{"command":"dance"}', attempts: 1, error: expect.stringContaining('does not fit'), headers: { traceparent: '00-trace' } }]);
  });

  test('says in /ready that it waits for its infrastructure, dead-letters nothing, and goes on', async () => {
    let isAway = true;
    const taken: string[] = [];
    const { publish, readiness } = await service((ids) => {
      if (isAway) throw Object.assign(new Error('the database system is shutting down'), { code: '57P03' });
      taken.push(...ids);
    });
    const published = publish('a');
    await waitFor(async () => (await readiness.read()).status === 'degraded');
    expect(await readiness.read()).toEqual({ status: 'degraded', missing: ['postgres'] });
    isAway = false;
    await published;
    expect([taken, await letters(), await readiness.read()]).toEqual([['a'], [], { status: 'ready' }]);
  });
});

test('a message that needs an answer of a service that is not ready waits for it', async () => {
  let isReady = false;
  const taken: string[] = [];
  const { publish, readiness } = await service((ids) => {
    // What the client of another service throws when that answers 503 for longer than a restart takes.
    if (!isReady) throw new AppError('service_unavailable', { cause: new Error('internal call answered 503') });
    taken.push(...ids);
  });
  const published = publish('a');
  await waitFor(async () => (await readiness.read()).status === 'degraded');
  isReady = true;
  await published;
  expect([taken, await letters()]).toEqual([['a'], []]);
  let failures = 0;
  const other = await service(() => {
    failures += 1;
    throw new AppError('not_found');
  });
  await other.publish('b');
  expect([failures, (await letters()).length]).toEqual([5, 1]);
});

describe('a dead letter', () => {
  test('that is redriven reaches its consumer once more, and is gone', async () => {
    const taken: string[] = [];
    let isMended = false;
    const { publish, controller } = await service((ids) => {
      if (!isMended) throw new Error('a bug');
      taken.push(...ids);
    });
    await publish('a');
    expect(await letters()).toMatchObject([{ key: 'a', attempts: 4, error: expect.stringContaining('a bug') }]);
    isMended = true;
    expect(await controller.redrive({ filter: {}, dryRun: false })).toEqual({ count: 1, failed: 0 });
    expect([taken, await letters()]).toEqual([['a'], []]);
  });

  test('whose redrive fails stays, with the attempts added up and the new reason', async () => {
    let reason = 'a bug';
    const { publish, controller } = await service(() => {
      throw new Error(reason);
    });
    await publish('a');
    const [before] = await letters();
    reason = 'another bug';
    expect(await controller.redrive({ filter: {}, dryRun: false })).toEqual({ count: 0, failed: 1 });
    expect(await letters()).toMatchObject([{ id: before!.id, attempts: 5, error: expect.stringContaining('another bug') }]);
  });

  test('is only counted in a dry run', async () => {
    const taken: string[] = [];
    const { controller } = await service((ids) => void taken.push(...ids));
    await store.add(letter('evt_1', { value: stop('a') }));
    expect(await controller.redrive({ filter: {}, dryRun: true })).toEqual({ count: 1, failed: 0 });
    expect(await controller.drop({ filter: {}, dryRun: true })).toEqual({ count: 1, failed: 0 });
    expect([taken, (await letters()).length]).toEqual([[], 1]);
  });

  test('of a topic that this service does not consume cannot be redriven, and stays', async () => {
    const { controller } = await service(() => undefined);
    await store.add(letter('evt_1', { topic: 'run.finished' }));
    expect(await controller.redrive({ filter: {}, dryRun: false })).toEqual({ count: 0, failed: 1 });
    expect(await letters()).toMatchObject([{ error: 'no consumer for run.finished' }]);
  });

  test('of a dedicated pool is redriven by that pool’s processes and by no others, which say whose it is', async () => {
    const taken: string[] = [];
    const [shared, acme] = [await service((ids) => void taken.push(...ids.map((id) => `shared ${id}`))), await service((ids) => void taken.push(...ids.map((id) => `acme ${id}`)), 'acme')];
    await store.add(letter('evt_a', { topic: 'run.commanded.acme', value: stop('a') }));
    await store.add(letter('evt_b', { topic: 'run.commanded.globex', value: stop('b') }));
    await store.add(letter('evt_c', { value: stop('c') }));
    expect(await shared.controller.redrive({ filter: {}, dryRun: false })).toEqual({ count: 1, failed: 0, elsewhere: { acme: 1, globex: 1 } });
    expect(await acme.controller.redrive({ filter: {}, dryRun: false })).toEqual({ count: 1, failed: 0, elsewhere: { globex: 1 } });
    expect([taken, (await letters()).map(({ topic }) => topic)]).toEqual([['shared c', 'acme a'], ['run.commanded.globex']]);
  });

  test('is redriven with as many as one request may take, and the next one goes on with the others', async () => {
    const { controller } = await service(() => undefined);
    await db.query(statement('many', `insert into app.dead_letters (id, event_id, topic, key, payload, headers, error, attempts)
      select 'dlq_' || lpad(n::text, 4, '0'), 'evt_' || n, 'run.commanded' || case when n % 2 = 0 then '.acme' else '' end, 'k', $1, '{}', 'a bug', 1 from generate_series(1, 502) n`), [JSON.stringify(stop('a'))]);
    const first = await controller.redrive({ filter: {}, dryRun: false });
    expect(first).toEqual({ count: 250, failed: 0, elsewhere: { acme: 250 }, next: 'dlq_0500' });
    expect(await controller.redrive({ filter: {}, dryRun: false, after: first.next })).toEqual({ count: 1, failed: 0, elsewhere: { acme: 1 } });
  });

  test('whose handling takes long is the last one of its request', async () => {
    let passedMs = 0;
    const now = Date.now.bind(Date);
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + passedMs);
    try {
      const { controller } = await service(() => void (passedMs += 10_000));
      for (const id of ['a', 'b']) await store.add(letter(`evt_${id}`, { value: stop(id) }));
      const [last, first] = await letters();
      expect(await controller.redrive({ filter: {}, dryRun: false })).toMatchObject({ count: 1, failed: 0, next: first!.id });
      expect((await letters()).map(({ id }) => id)).toEqual([last!.id]);
    } finally {
      clock.mockRestore();
    }
  });

  test('is redriven and dropped by topic and by id', async () => {
    const taken: string[] = [];
    const { controller } = await service((ids) => void taken.push(...ids));
    for (const id of ['a', 'b', 'c']) await store.add(letter(`evt_${id}`, { value: stop(id) }));
    await store.add(letter('evt_d', { topic: 'run.finished' }));
    const ids = (await letters()).filter(({ payload }) => payload.includes('"b"')).map(({ id }) => id);
    expect(await controller.redrive({ filter: { ids }, dryRun: false })).toEqual({ count: 1, failed: 0 });
    expect(taken).toEqual(['b']);
    expect(await controller.drop({ filter: { topic: 'run.commanded' }, dryRun: false })).toEqual({ count: 2, failed: 0 });
    expect((await letters()).map(({ topic }) => topic)).toEqual(['run.finished']);
  });
});

describe('the store of dead letters', () => {
  test('keeps one row of a message, however often it fails', async () => {
    await store.add(letter('evt_1'));
    await store.add({ ...letter('evt_1'), error: 'again', attempts: 4 });
    expect(await letters()).toMatchObject([{ attempts: 5, error: 'again' }]);
  });

  test.each([['payload', { value: 'nul \u0000 lone \ud800' }], ['key', { key: 'nul \u0000 lone \ud800' }]])('keeps a message whose %s no text column takes as it is', async (_, more) => {
    await store.add(letter('evt_1', more));
    expect(await letters()).toHaveLength(1);
  });

  test('keeps a message whose id and headers no text column takes as they are', async () => {
    await store.add({ ...letter('evt_\u0000'), error: 'nul \u0000' });
    expect(await letters()).toHaveLength(1);
  });

  test('lists the newest first, in pages that neither repeat nor miss one', async () => {
    for (let index = 0; index < 230; index += 1) await store.add(letter(`evt_${index}`));
    const pages: string[][] = [];
    for (let cursor: string | undefined | null; cursor !== null; ) {
      const page = await store.list({ cursor });
      pages.push(page.deadLetters.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(pages.map((page) => page.length)).toEqual([100, 100, 30]);
    expect(pages.flat()).toEqual((await db.query<{ id: string }>(statement('ids', 'select id from app.dead_letters order by id desc'))).map(({ id }) => id));
  });

  test('shows the beginning of a long message, and redrives it whole', async () => {
    const long = { ...stop('a'), engine: 'x'.repeat(10_000) };
    await store.add(letter('evt_1', { value: long }));
    expect((await letters())[0]!.payload).toHaveLength(4096);
    const engines: string[] = [];
    const { controller } = await service((_, messages) => void engines.push(...messages.map(({ payload }) => payload.engine)));
    expect(await controller.redrive({ filter: {}, dryRun: false })).toEqual({ count: 1, failed: 0 });
    expect(engines).toEqual([long.engine]);
  });
});
